// Crops -> embeddings of length one, with all that the card asks for. As sfpn/network/embedders.py.
import { planes } from './crop.js';
import { forward } from './onnx_model.js';
/** @typedef {import('./onnx_model.js').Model} Model @typedef {import('./types.js').Picture} Picture */

/** @param {Model} model @param {Picture[]} crops size x size @returns {Promise<Float64Array[]>} */
export async function embed(model, crops) {
  const found = [];
  for (const crop of crops) found.push(unit(await descriptor(model, crop)));
  return found;
}

async function descriptor(model, crop) {
  const { card } = model, { size } = card.preprocess, input = planes([crop], card.preprocess);
  const seen = await forward(model, input);
  if (card.mirror_sum) (await forward(model, flipped(input, size))).forEach((v, i) => (seen[i] += v));
  if (card.descriptor_mean) card.descriptor_mean.forEach((v, i) => (seen[i] -= (card.mirror_sum ? 2 : 1) * v));
  if (card.pose_direction) {
    const along = dot(seen, card.pose_direction);
    card.pose_direction.forEach((v, i) => (seen[i] -= along * v));
  }
  const length = dot(seen, seen);
  if (!Number.isFinite(length)) throw new Error(`${card.name}: its embeddings hold NaN or infinity, which cannot be compared; its weights or the mean and scale in its card are wrong`);
  if (!length) throw new Error(`${card.name}: gives an embedding of zeros, which is like nothing; its weights or the mean and scale in its card are wrong`);
  return seen;
}

function flipped(planesOfOne, size) {
  return planesOfOne.map((_, i) => planesOfOne[i - (i % size) + size - 1 - (i % size)]);
}

/** @param {ArrayLike<number>} a @param {ArrayLike<number>} b */
export function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** @param {Float64Array} vector */
export function unit(vector) {
  const length = Math.max(Math.sqrt(dot(vector, vector)), 1e-38);
  return vector.map(v => v / length);
}

/** The template of several photos of one person. @param {Float64Array[]} embeddings */
export const template = embeddings =>
  unit(embeddings[0].map((_, i) => embeddings.reduce((sum, each) => sum + each[i], 0) / embeddings.length));
