// The card's operating surface: a threshold that follows the two yaws. As sfpn/evaluation/surface.py.
/** @typedef {import('./types.js').Surface} Surface */

/** @param {Surface} surface @param {number} target @returns {any} */
export const levelOf = (surface, target) => surface.levels.find(level => Math.abs(level.target_fmr - target) < 1e-9) ?? null;

/** @param {number[]} axis @param {number[]} thresholds at its nodes (a <= b) @param {number} yawA @param {number} yawB */
export function interpolate(axis, thresholds, yawA, yawB) {
  const n = axis.length, at = (i, j) => thresholds[nodeNumber(n, Math.min(i, j), Math.max(i, j))];
  const [i, u] = place(axis, Math.abs(yawA)), [j, v] = place(axis, Math.abs(yawB));
  return (1 - u) * (1 - v) * at(i, j) + u * (1 - v) * at(i + 1, j) + (1 - u) * v * at(i, j + 1) + u * v * at(i + 1, j + 1);
}

const nodeNumber = (n, first, second) => first * n - (first * (first - 1)) / 2 + second - first;

function place(axis, yaw) {
  const inside = Math.min(Math.max(yaw, axis[0]), axis[axis.length - 1]);
  let below = axis.length - 2;
  while (below > 0 && axis[below] > inside) below--;
  return [below, (inside - axis[below]) / (axis[below + 1] - axis[below])];
}

/** Position of the node nearest to two poses. @param {Surface} surface @param {number} yawA @param {number} yawB */
export function nearestNode(surface, yawA, yawB) {
  const [low, high] = [Math.abs(yawA), Math.abs(yawB)].sort((a, b) => a - b), axis = surface.yaw_degrees;
  let best = 0, least = Infinity, number = 0;
  axis.forEach((a, i) => axis.slice(i).forEach(b => {
    const far = (a - low) ** 2 + (b - high) ** 2;
    if (far < least) [best, least] = [number, far];
    number++;
  }));
  return best;
}

/** The two |yaw| of a node. @param {Surface} surface @param {number} number @returns {number[]} */
export const nodeAt = (surface, number) => surface.yaw_degrees.flatMap((a, i) => surface.yaw_degrees.slice(i).map(b => [a, b]))[number];

/** The operating point at two poses; null for a target that the surface lacks. */
export function pointAt(surface, target, yawA, yawB) {
  const level = levelOf(surface, target);
  if (!level) return null;
  const node = nearestNode(surface, yawA, yawB), rate = (errors, of) => (of ? errors / of : NaN);
  return {
    target_fmr: target,
    threshold: interpolate(surface.yaw_degrees, level.threshold, yawA, yawB),
    impostor: level.impostor[node],
    genuine: level.genuine[node],
    false_matches: level.false_matches[node],
    false_non_matches: level.false_non_matches[node],
    fmr: rate(level.false_matches[node], level.impostor[node]),
    fnmr: rate(level.false_non_matches[node], level.genuine[node]),
    set_on: surface.set_on,
    measured_on: surface.measured_on,
    pose_estimated: true,
  };
}
