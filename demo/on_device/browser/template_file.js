// A template of the coach as a file of the visitor's own: the one thing here that is ever kept, and only by them.
/** @typedef {{bin: string, yaw: number, pitch: number, pose: string, embedding: number[]}} Sample */

const FORMAT = 'squeezefaceposenet-template', VERSION = 1, MAX_SAMPLES = 64, MAX_NUMBERS = 65536, MAX_BYTES = 20e6;

/** @param {Sample[]} samples @param {import('./types.js').Card} card @returns {Blob} */
export function templateFile(samples, card) {
  const rounded = samples.map(sample => ({ ...sample, embedding: Array.from(sample.embedding, v => +v.toFixed(7)) }));
  return new Blob([JSON.stringify({ format: FORMAT, version: VERSION, model: card.name, weights: card.weights_sha256, samples: rounded })],
    { type: 'application/json' });
}

/**
 * @param {Blob} file @param {import('./types.js').Card} card @param {string[]} bins
 * @returns {Promise<Sample[]>} throws an Error for the visitor when it is no template, or of another model
 */
export async function readTemplate(file, card, bins) {
  let held;
  try {
    if (file.size > MAX_BYTES) throw new Error();
    held = JSON.parse(await file.text());
  } catch {
    throw new Error('This file is not a template that was saved here: choose another.');
  }
  if (held?.format !== FORMAT || held.version !== VERSION || !Array.isArray(held.samples))
    throw new Error('This file is not a template that was saved here: choose another.');
  if (held.model !== card.name || held.weights !== card.weights_sha256)
    throw new Error(`This template was made with the model ${String(held.model).slice(0, 60)}, or other weights of it: choose that model, or enrol again.`);
  const length = held.samples[0]?.embedding?.length;
  const fine = held.samples.length > 0 && held.samples.length <= MAX_SAMPLES && length > 1 && length <= MAX_NUMBERS &&
    held.samples.every(({ bin, yaw, pitch, pose, embedding }) => bins.includes(bin) && Number.isFinite(yaw) && Number.isFinite(pitch) &&
      ['frontal', 'three_quarter', 'profile'].includes(pose) && Array.isArray(embedding) && embedding.length === length && embedding.every(Number.isFinite));
  if (!fine) throw new Error('This template is damaged: enrol again.');
  return held.samples.map(({ bin, yaw, pitch, pose, embedding }) => ({ bin, yaw, pitch, pose, embedding }));
}
