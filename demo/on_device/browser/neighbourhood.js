// Scores of pairs posed like a given one, as the card holds them by |yaw|. As sfpn/evaluation/neighbourhood.py.
import { roundHalfEven } from './resample.js';
/** @typedef {[[number, number], [number, number]]} Square |yaw| of the less and of the more turned face, from and to */

export const EVERYWHERE_DEGREES = 1000;

/** @param {number[]} axis @param {number[]} node @param {number} half @returns {Square} */
export function squareAt(axis, [a, b], half) {
  const low = axis[0], high = axis[axis.length - 1], side = at => /** @type {[number, number]} */ ([Math.max(low, at - half), Math.min(high, at + half)]);
  return [side(a), side(b)];
}

/** The histogram of a square; null where the card has no scores by angle. @param {any} surface @param {Square} square */
export function scoresAround({ scores, yaw_degrees: axis, measured_on: measuredOn }, [[a0, a1], [b0, b1]]) {
  if (!scores) return null;
  const genuine = new Array(scores.bins).fill(0), impostor = new Array(scores.bins).fill(0);
  let number = 0;
  for (let i = 0; i < axis.length - 1; i++)
    for (let j = i; j < axis.length - 1; j++, number++) {
      if (axis[i] < a0 || axis[i + 1] > a1 || axis[j] < b0 || axis[j + 1] > b1) continue;
      const cell = scores.cells[number];
      cell.genuine.forEach((count, k) => (genuine[cell.genuine_from + k] += count));
      cell.impostor.forEach((count, k) => (impostor[cell.impostor_from + k] += count));
    }
  return { low: scores.low, high: scores.high, genuine, impostor, measured_on: measuredOn };
}

/** The point with its error rates counted in a histogram; the scores of a bin are taken to lie evenly in it. */
export function counted(point, histogram) {
  const sum = counts => counts.reduce((a, b) => a + b, 0), genuine = sum(histogram.genuine), impostor = sum(histogram.impostor);
  const missed = roundHalfEven(below(histogram, histogram.genuine, point.threshold));
  const wrong = impostor - roundHalfEven(below(histogram, histogram.impostor, point.threshold));
  return { ...point, genuine, impostor, false_matches: wrong, false_non_matches: missed, measured_on: histogram.measured_on,
    fmr: impostor ? wrong / impostor : NaN, fnmr: genuine ? missed / genuine : NaN };
}

function below({ low, high }, counts, threshold) {
  const place = ((threshold - low) / (high - low)) * counts.length, whole = Math.min(Math.max(Math.floor(place), 0), counts.length);
  const sum = counts.slice(0, whole).reduce((a, b) => a + b, 0);
  return place <= 0 ? 0 : sum + (counts[whole] ?? 0) * (place - whole);
}
