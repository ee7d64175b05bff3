// Crops -> embeddings of length one, with all that the card asks for. As sfpn/network/embedders.py.
import { planes } from './crop.js';
import { tensor } from './runtime.js';
/** @typedef {import('./types.js').Card} Card @typedef {import('./types.js').Picture} Picture */

/**
 * @param {{session: import('./types.js').Session, card: Card}} model @param {Picture[]} crops size x size
 * @returns {Promise<Float64Array[]>}
 */
export async function embed({ session, card }, crops) {
  const found = [];
  for (const crop of crops) found.push(unit(await descriptor(session, card, crop)));
  return found;
}

async function descriptor(session, card, crop) {
  const { size } = card.preprocess, input = planes([crop], card.preprocess);
  const seen = await forward(session, card, input, size);
  if (card.mirror_sum) (await forward(session, card, flipped(input, size), size)).forEach((v, i) => (seen[i] += v));
  if (card.descriptor_mean) card.descriptor_mean.forEach((v, i) => (seen[i] -= (card.mirror_sum ? 2 : 1) * v));
  if (card.pose_direction) {
    const along = dot(seen, card.pose_direction);
    card.pose_direction.forEach((v, i) => (seen[i] -= along * v));
  }
  if (!seen.every(Number.isFinite)) throw new Error(`${card.name}: its embedding is not a number; export it again`);
  return seen;
}

async function forward(session, card, input, size) {
  const name = card.architecture.output ?? session.outputNames[0];
  const found = await session.run({ [session.inputNames[0]]: tensor(input, [1, 3, size, size]) });
  if (!found[name]) throw new Error(`${card.name}: has no output ${name}; say which it is in its card`);
  return Float64Array.from(found[name].data);
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
