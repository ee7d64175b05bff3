// Every comparison of labelled embeddings in each pose pair. As sfpn/evaluation/comparisons.py and protocol.py (vggface2-pose).
import { Scores, FMR_TARGETS, eer, operatingPoint } from './metrics.js';
import { POSES } from './pose.js';
/**
 * @typedef {{identity: string, pose: string, template: string, acquired: boolean, embedding: Float32Array}} Sample of length one
 * @typedef {{pair: string, size: number, genuine: number, impostor: number, eer: number|null,
 *   points: {target: number, fnmr: number|null}[]}} Cell `size`: images a side
 */

/** @type {[string, string][]} */
export const POSE_PAIRS = POSES.flatMap((first, i) => POSES.slice(i).map(second => /** @type {[string, string]} */ ([first, second])));

/** @param {Sample[]} samples @param {(share: number) => void} [told] 0-1 @returns {Cell[]} single images, then templates */
export function matrixOf(samples, told = () => {}) {
  const templates = templatesOf(samples), size = templates.length ? Math.round(samples.length / templates.length) : 1;
  const cells = POSE_PAIRS.flatMap((pair, i) => cellOf(samples, pair, 1, share => told((i + share) / POSE_PAIRS.length)));
  return [...cells, ...(size > 1 ? POSE_PAIRS.flatMap(pair => cellOf(templates, pair, size)) : [])];
}

/** @param {Sample[]} samples @param {[string, string]} pair @param {number} size @param {(share: number) => void} [told] @returns {Cell[]} one, or none */
function cellOf(samples, [down, across], size, told = () => {}) {
  const first = samples.filter(({ pose }) => pose === down), second = samples.filter(({ pose }) => pose === across);
  const genuine = [], impostor = [];
  first.forEach((a, i) => {
    for (const b of down === across ? second.slice(i + 1) : second) (a.identity === b.identity ? genuine : impostor).push(cosine(a.embedding, b.embedding));
    if (i % 50 === 0) told(i / first.length);
  });
  if (!genuine.length || !impostor.length) return [];
  const g = new Scores(genuine), i = new Scores(impostor), points = FMR_TARGETS.map(target => operatingPoint(g, i, target));
  return [{ pair: `${down}-${across}`, size, genuine: g.total, impostor: i.total, eer: eer(g, i).rate, points }];
}

/** One sample a template: the mean of its images, without those where no face was found unless it has no other. @param {Sample[]} samples */
export function templatesOf(samples) {
  const groups = new Map();
  for (const sample of samples) {
    if (!sample.template) continue;
    const key = JSON.stringify([sample.identity, sample.pose, sample.template]);
    groups.set(key, [...(groups.get(key) ?? []), sample]);
  }
  return [...groups.values()].map(group => {
    const found = group.filter(({ acquired }) => acquired), used = found.length ? found : group;
    const sum = new Float32Array(used[0].embedding.length);
    for (const { embedding } of used) embedding.forEach((v, k) => (sum[k] += v));
    return { ...group[0], acquired: found.length > 0, embedding: direction(sum) };
  });
}

/** @param {ArrayLike<number>} vector @returns {Float32Array} of length one */
export function direction(vector) {
  let square = 0;
  for (let k = 0; k < vector.length; k++) square += vector[k] * vector[k];
  return Float32Array.from(vector, v => v / Math.sqrt(square));
}

/** @param {Float32Array} a @param {Float32Array} b */
function cosine(a, b) {
  let even = 0, odd = 0;
  const pairs = a.length - (a.length % 2);
  for (let k = 0; k < pairs; k += 2) {
    even += a[k] * b[k];
    odd += a[k + 1] * b[k + 1];
  }
  if (pairs < a.length) even += a[pairs] * b[pairs];
  return Math.min(Math.max(Math.fround(even + odd), -1), 1);
}
