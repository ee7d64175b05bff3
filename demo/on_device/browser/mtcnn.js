// Zhang et al., SPL 2016: windows proposed on a pyramid, refined and refused twice. As sfpn/photos/mtcnn.py.
import { Areas } from './areas.js';
import { tensor } from './runtime.js';
/** @typedef {import('./types.js').Picture} Picture @typedef {import('./types.js').Networks} Networks */

export const PYRAMID_FACTOR = 0.709;
export const USUAL = [0.6, 0.7, 0.7];
const WINDOW = 12, STRIDE = 2, REFINE_SIZE = 24, OUTPUT_SIZE = 48, BATCH = 32; // small, for memory
const SAME_LEVEL = 0.5, ACROSS = 0.7, FINAL = 0.7;
const f = Math.fround;

/**
 * Faces of at least `smallest` px, also where they reach up to `pad` px over the border.
 * @param {Networks} networks @param {Picture} picture @param {number} smallest @param {number} pad
 * @param {number[]} thresholds of the three networks
 * @returns {Promise<{box: number[], landmarks: [number, number][], confidence: number}[]>}
 */
export async function search(networks, picture, smallest, pad, thresholds = USUAL) {
  const areas = new Areas(picture, pad);
  const proposed = await proposals(networks.propose, areas, smallest, thresholds[0]);
  const refined = await refine(networks.refine, proposed, areas, thresholds[1]);
  const found = await output(networks.output, refined, areas, thresholds[2]);
  for (const face of found) {
    face.box = face.box.map(v => f(v - pad));
    face.landmarks = face.landmarks.map(([x, y]) => [f(x - pad), f(y - pad)]);
  }
  return found;
}

async function proposals(session, areas, smallest, threshold) {
  const found = [];
  let scale = WINDOW / smallest;
  for (; Math.min(...areas.size) * scale >= WINDOW; scale *= PYRAMID_FACTOR)
    found.push(...(await level(session, areas, scale, f(threshold))));
  const best = keepBest(found.map(w => w.box), found.map(w => w.score), ACROSS);
  return best.map(i => {
    const { box, moved } = found[i], sides = [box[2] - box[0], box[3] - box[1]];
    return square(box.map((v, k) => f(v + f(moved[k] * sides[k % 2]))));
  });
}

async function level(session, areas, scale, threshold) {
  const leftOut = STRIDE * Math.max(0, Math.trunc((areas.pad * scale - WINDOW) / STRIDE));
  const { data, dims } = areas.level(areas.size.map(side => Math.trunc(side * scale + 1)), leftOut);
  const { regression, probability } = await session.run({ pixels: tensor(data, dims) });
  const [height, width] = probability.dims.slice(2), plane = height * width, windows = [];
  for (let i = 0; i < plane; i++) {
    const score = probability.data[plane + i];
    if (!(score >= threshold)) continue;
    const x = STRIDE * (i % width) + leftOut, y = STRIDE * Math.floor(i / width) + leftOut;
    const box = [(x + 1) / scale, (y + 1) / scale, (x + WINDOW) / scale, (y + WINDOW) / scale].map(Math.floor);
    windows.push({ box, score, moved: [0, 1, 2, 3].map(k => regression.data[k * plane + i]) });
  }
  return keepBest(windows.map(w => w.box), windows.map(w => w.score), SAME_LEVEL).map(i => windows[i]);
}

async function refine(session, boxes, areas, threshold) {
  const { regression, probability } = await run(session, boxes, areas, REFINE_SIZE);
  const kept = boxes.map((_, i) => i).filter(i => probability[2 * i + 1] > f(threshold));
  const best = keepBest(kept.map(i => boxes[i]), kept.map(i => probability[2 * i + 1]), ACROSS).map(k => kept[k]);
  return best.map(i => square(regressed(boxes[i], regression.subarray(4 * i, 4 * i + 4))));
}

async function output(session, boxes, areas, threshold) {
  const { regression, landmarks, probability } = await run(session, boxes, areas, OUTPUT_SIZE);
  const kept = boxes.map((_, i) => i).filter(i => probability[2 * i + 1] > f(threshold));
  const found = kept.map(i => {
    const box = boxes[i], sides = [f(f(box[2] - box[0]) + 1), f(f(box[3] - box[1]) + 1)];
    const point = (n, axis) => f(f(f(landmarks[10 * i + 5 * axis + n] * sides[axis]) + box[axis]) - 1);
    return {
      box: regressed(box, regression.subarray(4 * i, 4 * i + 4)),
      landmarks: [0, 1, 2, 3, 4].map(n => /** @type {[number, number]} */ ([point(n, 0), point(n, 1)])),
      confidence: probability[2 * i + 1],
    };
  });
  return keepBest(found.map(w => w.box), found.map(w => w.confidence), FINAL, true).map(i => found[i]);
}

/** The outputs of a network for crops of boxes, a batch at a time. */
async function run(session, boxes, areas, size) {
  const outputs = Object.fromEntries(session.outputNames.map(name => [name, []]));
  for (let start = 0; start < boxes.length; start += BATCH) {
    const some = boxes.slice(start, start + BATCH);
    const pixels = areas.crops(Float32Array.from(some.flat()), size);
    const found = await session.run({ pixels: tensor(pixels, [some.length, 3, size, size]) });
    for (const name of session.outputNames) outputs[name].push(found[name].data);
  }
  return Object.fromEntries(Object.entries(outputs).map(([name, parts]) => [name, joined(parts)]));
}

function joined(parts) {
  if (parts.length === 1) return parts[0];
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (out.set(part, at), at + part.length), 0);
  return out;
}

function square([left, top, right, bottom]) {
  const width = f(right - left), height = f(bottom - top), longer = Math.max(width, height);
  const x = f(f(left + f(width / 2)) - f(longer / 2)), y = f(f(top + f(height / 2)) - f(longer / 2));
  return [x, y, f(x + longer), f(y + longer)];
}

function regressed(box, moved) {
  const sides = [f(f(box[2] - box[0]) + 1), f(f(box[3] - box[1]) + 1)];
  return box.map((v, k) => f(v + f(moved[k] * sides[k % 2])));
}

/**
 * Indices of the boxes kept, best first: one goes if it overlaps a better one by more than the bound.
 * @param {number[][]} boxes @param {number[]} scores @param {number} bound
 * @param {boolean} ofSmaller overlap over the smaller box, in whole pixels; else intersection over union
 */
export function keepBest(boxes, scores, bound, ofSmaller = false) {
  const one = ofSmaller ? 1 : 0, kept = [];
  const area = b => (b[2] - b[0] + one) * (b[3] - b[1] + one);
  let rest = scores.map((_, i) => i).sort((a, b) => scores[b] - scores[a]);
  while (rest.length) {
    const best = rest[0], a = boxes[best];
    kept.push(best);
    rest = rest.slice(1).filter(i => {
      const b = boxes[i];
      const width = Math.max(Math.min(a[2], b[2]) - Math.max(a[0], b[0]) + one, 0);
      const common = width * Math.max(Math.min(a[3], b[3]) - Math.max(a[1], b[1]) + one, 0);
      const whole = ofSmaller ? Math.min(area(a), area(b)) : area(a) + area(b) - common;
      return common <= bound * whole;
    });
  }
  return kept;
}
