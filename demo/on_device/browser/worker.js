// Does all the work beside the page, so that the page never waits: one request at a time, in order.
import { shorterSide } from './crop.js';
import { bitmapOf, decode, pixelsOf } from './decode.js';
import { chooseFace, reduced, searchFrame } from './detector.js';
import { giveBack } from './memory.js';
import { embed } from './embedder.js';
import { turnClockwise } from './resample.js';
import { asModel } from './onnx_model.js';
import { fetchFile, loadRuntime, openSession } from './runtime.js';
import { checkChoice, compare, cropOf, look, ruleOf } from './verifier.js';

const PREVIEW_SIDE = 720; // px
/** @type {any} */
const networks = {};
const models = new Map(); // name -> import('./onnx_model.js').Model
const shots = new Map(); // id -> {blob, name, faces, chosen, turned, size, crop}

const handlers = {
  /** Runtime, detector and pose; `progress` messages say how many bytes came. */
  async load({ runtime, detector, pose }) {
    const began = performance.now();
    await loadRuntime(runtime, bytes => postMessage({ progress: bytes }));
    for (const [name, file] of Object.entries({ ...detector, pose: pose.file })) {
      const session = await openSession(await fetchFile(file, bytes => postMessage({ progress: bytes })));
      networks[name] = name === 'pose' ? { session, card: pose.card } : session;
    }
    return { milliseconds: performance.now() - began };
  },

  async model({ name, file, card }) {
    if (models.has(name)) return { milliseconds: 0 };
    const began = performance.now();
    const encoded = await fetchFile(file, bytes => postMessage({ progress: bytes }));
    models.set(name, await asModel(await openSession(encoded), card, name));
    return { milliseconds: performance.now() - began };
  },

  /** Finds the faces of a photo and keeps the file, as it came, for other crops of it. */
  async look({ id, blob, name, model }) {
    const began = performance.now(), given = await decode(blob, name), decoded = performance.now();
    let picture = given;
    try {
      const seen = await look(networks, given, name), found = performance.now(), { faces, chosen } = seen;
      picture = seen.picture;
      const shot = { blob, name, faces, chosen, size: [picture.width, picture.height], crop: null, preprocess: '' };
      takeCrop(shot, picture, models.get(model).card);
      const milliseconds = { decode: decoded - began, find: found - decoded, crop: performance.now() - found };
      const smaller = reduced(picture, PREVIEW_SIDE), preview = await bitmapOf(smaller);
      giveBack(smaller.data);
      shots.set(id, shot);
      return { id, name, faces, chosen, size: shot.size, preview, milliseconds };
    } finally {
      giveBack(picture.data);
      giveBack(given.data);
    }
  },

  /** Another face of a photo, or its crop for another model. */
  async choose({ id, face, model }) {
    const shot = shots.get(id);
    checkChoice(shot.name, shot.faces, face);
    shot.chosen = face;
    await cropFor(shot, models.get(model).card, true);
    return {};
  },

  forget({ id }) {
    shots.delete(id);
    return {};
  },

  async compare({ model, first, second, target, debug }) {
    const { card } = models.get(model), began = performance.now();
    const sides = [];
    for (const ids of [first, second]) {
      const side = [];
      for (const id of ids) {
        const shot = shots.get(id);
        await cropFor(shot, card);
        side.push({ name: shot.name, face: shot.faces[shot.chosen], crop: shot.crop });
      }
      sides.push(side);
    }
    const cropped = performance.now(), found = await compare(models.get(model), sides), embedded = performance.now();
    const rule = ruleOf(card, found, target);
    const crops = await Promise.all(sides.map(side => Promise.all(side.map(shot => bitmapOf(shot.crop)))));
    const milliseconds = { crop: cropped - began, embed: embedded - cropped };
    const { score, pair, yaws } = found;
    return { score, pair, yaws, rule, crops, milliseconds, embeddings: debug ? found.sides.map(side => side.embeddings) : null };
  },

  /** One picture of the camera: its face, how sharp that is, and its embedding. */
  async frame({ bitmap, model }) {
    const picture = pixelsOf(bitmap);
    const faces = await searchFrame(networks, picture);
    if (!faces.length) {
      giveBack(picture.data);
      return { face: null };
    }
    const face = faces[chooseFace(faces, picture)], crop = cropOf(picture, face, models.get(model).card);
    giveBack(picture.data);
    const [embedding] = await embed(models.get(model), [crop]);
    return { face, side: shorterSide(face.box), sharpness: sharpness(crop), embedding };
  },

  /** The same comparison at another target. */
  judge: ({ model, pair, yaws, target }) => ({ rule: ruleOf(models.get(model).card, { pair, yaws }, target) }),
};

/** Variance of the Laplacian of the green channel. */
function sharpness({ data, width, height }) {
  let sum = 0, squares = 0, count = 0;
  for (let y = 1; y < height - 1; y++)
    for (let x = 1; x < width - 1; x++) {
      const at = 4 * (y * width + x) + 1, row = 4 * width;
      const value = 4 * data[at] - data[at - 4] - data[at + 4] - data[at - row] - data[at + row];
      sum += value;
      squares += value * value;
      count++;
    }
  return squares / count - (sum / count) ** 2;
}

async function cropFor(shot, card, anew = false) {
  if (!anew && shot.crop && shot.preprocess === JSON.stringify(card.preprocess)) return;
  const given = await decode(shot.blob, shot.name), picture = turnClockwise(given, shot.faces[shot.chosen].turned);
  takeCrop(shot, picture, card);
  giveBack(given.data);
  giveBack(picture.data);
}

function takeCrop(shot, picture, card) {
  shot.crop = cropOf(picture, shot.faces[shot.chosen], card);
  shot.preprocess = JSON.stringify(card.preprocess);
}

new PerformanceObserver(list => {
  postMessage({ requested: list.getEntries().map(({ name, startTime }) => ({ name, at: performance.timeOrigin + startTime })) });
}).observe({ type: 'resource', buffered: true });

/** What is handed over with an answer instead of copied. @returns {ImageBitmap[]} */
const bitmapsIn = ({ preview, crops = [] }) => [preview, ...crops.flat()].filter(Boolean);

let queue = Promise.resolve();
onmessage = ({ data: { number, kind, given } }) => {
  queue = queue.then(async () => {
    try {
      const answer = await handlers[kind](given);
      postMessage({ number, answer }, bitmapsIn(answer));
    } catch (error) {
      postMessage({ number, error: error.message || String(error) });
    }
  });
};
