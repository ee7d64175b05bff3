// The square that a network sees, cut out as its card says. As sfpn/photos/preprocess.py.
import { affine, cut, resize, roundHalfEven } from './resample.js';
/** @typedef {import('./types.js').Picture} Picture @typedef {import('./types.js').Face} Face */

// Where the five landmarks lie in a 112x112 crop of the ArcFace family.
const REFERENCE = [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]];

/**
 * @param {Picture} picture @param {Face} face @param {import('./types.js').Preprocess} preprocess
 * @returns {Picture} size x size
 */
export function cropFace(picture, face, preprocess) {
  const { geometry, size, crop_factor: factor, padding } = preprocess;
  if (geometry === 'five_point') return alignFivePoints(picture, face.landmarks, size, padding);
  return cropSquare(picture, center(face.box), factor * shorterSide(face.box), size, padding);
}

/** @param {number[]} box */
export const center = box => [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
/** @param {number[]} box */
export const shorterSide = box => Math.min(box[2] - box[0], box[3] - box[1]);

/**
 * The square of `side` px around a centre, padded beyond the border, at size x size px.
 * @param {Picture} picture @param {number[]} middle @param {number} side @param {number} size @param {string} padding
 */
export function cropSquare(picture, middle, side, size, padding) {
  const left = middle[0] - side / 2, top = middle[1] - side / 2, right = left + side, bottom = top + side;
  const reach = Math.ceil(Math.max(side / size, 1)) + 1; // of the filter beyond the square
  const window = [ // no further than Pillow's padded picture, where the filter ends as well
    Math.max(Math.floor(left) - reach, Math.min(0, -Math.ceil(-left))),
    Math.max(Math.floor(top) - reach, Math.min(0, -Math.ceil(-top))),
    Math.min(Math.ceil(right) + reach, Math.max(picture.width, Math.ceil(right))),
    Math.min(Math.ceil(bottom) + reach, Math.max(picture.height, Math.ceil(bottom))),
  ];
  const box = [left - window[0], top - window[1], right - window[0], bottom - window[1]];
  return resize(cut(picture, window, padding), size, size, 'bilinear', box);
}

/**
 * The crop in which the five landmarks come closest (least squares) to the reference.
 * @param {Picture} picture @param {number[][]} landmarks @param {number} size @param {string} padding
 */
export function alignFivePoints(picture, landmarks, size, padding) {
  const { a, b, x, y } = similarity(REFERENCE.map(p => p.map(v => (v * size) / 112)), landmarks);
  const corners = [[0, 0], [size, 0], [0, size], [size, size]].map(([u, v]) => [a * u - b * v + x, b * u + a * v + y]);
  const ends = axis => corners.map(corner => corner[axis]);
  const low = [0, 1].map(axis => Math.floor(Math.min(...ends(axis))) - 2);
  const high = [0, 1].map(axis => Math.ceil(Math.max(...ends(axis))) + 2);
  const window = cut(picture, [...low, ...high], padding), shrink = Math.max(1, Math.hypot(a, b));
  const width = Math.max(1, roundHalfEven(window.width / shrink));
  const height = Math.max(1, roundHalfEven(window.height / shrink));
  const small = resize(window, width, height, 'box'), u = width / window.width, v = height / window.height;
  return affine(small, size, size, [a * u, -b * u, (x - low[0]) * u, b * v, a * v, (y - low[1]) * v]);
}

/** Rotation, scale and shift (x' = a x - b y + x, y' = b x + a y + y) that takes source closest to target. */
function similarity(source, target) {
  const mean = points => [0, 1].map(axis => points.reduce((sum, p) => sum + p[axis], 0) / points.length);
  const [sx, sy] = mean(source), [tx, ty] = mean(target);
  let dot = 0, cross = 0, square = 0;
  source.forEach((p, i) => {
    const u = p[0] - sx, v = p[1] - sy, s = target[i][0] - tx, t = target[i][1] - ty;
    dot += u * s + v * t;
    cross += u * t - v * s;
    square += u * u + v * v;
  });
  const a = dot / square, b = cross / square;
  return { a, b, x: tx - (a * sx - b * sy), y: ty - (b * sx + a * sy) };
}

/**
 * Crops as the input of a network: (pixels - mean) / scale, in the card's order of channels.
 * @param {Picture[]} crops @param {import('./types.js').Preprocess} preprocess @returns {Float32Array} N x 3 planes
 */
export function planes(crops, { size, mean, scale, channels }) {
  const plane = size * size, out = new Float32Array(crops.length * 3 * plane), order = channels === 'BGR' ? [2, 1, 0] : [0, 1, 2];
  crops.forEach(({ data }, n) => {
    for (let band = 0; band < 3; band++) {
      const from = order[band], less = Math.fround(mean[from]), at = (3 * n + band) * plane;
      for (let i = 0; i < plane; i++) out[at + i] = Math.fround(data[4 * i + from] - less) / scale;
    }
  });
  return out;
}
