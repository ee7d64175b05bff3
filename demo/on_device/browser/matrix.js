// Pose matrices as tables, coloured on one scale so that they can be compared.
import { html } from './dom.js';
import { POSES } from './pose.js';
import { POSE_LABELS, percent } from './wording.js';
/** @typedef {{name: string, title: string, cells: any[]}} Measured */

const LIGHT = [238, 244, 249], MIDDLE = [127, 178, 214], DARK = [8, 68, 126], FULL_SCALE = 0.15; // as demo/common/figures.py
const atTarget = target => ({
  words: `FNMR at FMR ${100 * target} %`,
  of: ({ points }) => {
    const { fnmr: rate, fnmr_low: low, fnmr_high: high } = points.find(point => Math.abs(point.target - target) < 1e-9) ?? { fnmr: null };
    return { rate, low, high };
  },
});
/** @type {{words: string, of: (cell: any) => {rate: number|null, low?: number, high?: number}}[]} */
export const METRICS = [{ words: 'EER', of: ({ eer, eer_low: low, eer_high: high }) => ({ rate: eer, low, high }) }, atTarget(0.01), atTarget(0.001), atTarget(0.0001)];

/** @param {Measured[]} measured @param {typeof METRICS[0]} metric @param {number} size images a side @returns {Element[]} */
export function matrices(measured, metric, size) {
  const rates = measured.flatMap(({ cells }) => cells.filter(cell => cell.size === size).map(cell => metric.of(cell).rate ?? 0));
  const top = Math.max(FULL_SCALE, ...rates);
  return measured.map((each, i) => matrix(each, i === 0 ? 'Yours: ' : '', metric, size, top));
}

function matrix({ name, cells }, whose, metric, size, top) {
  const cell = (down, across) => {
    const pair = [down, across].sort((a, b) => POSES.indexOf(a) - POSES.indexOf(b)).join('-');
    return drawn(cells.find(each => each.pair === pair && each.size === size), pair, metric, top);
  };
  return html('table', { class: 'od-matrix', 'data-model': name }, html('caption', {}, `${whose}${name}, ${metric.words}`),
    html('thead', {}, html('tr', {}, html('td'), ...POSES.map(pose => html('th', { scope: 'col' }, POSE_LABELS[pose])))),
    html('tbody', {}, ...POSES.map(down => html('tr', {}, html('th', { scope: 'row' }, html('span', {}, POSE_LABELS[down])), ...POSES.map(across => cell(down, across))))));
}

function drawn(cell, pair, metric, top) {
  if (!cell) return html('td', { class: 'od-none' }, 'no pairs');
  const { rate, low, high } = metric.of(cell), counts = `${shortCount(cell.genuine)} / ${shortCount(cell.impostor)}`;
  const title = `${pair}: ${cell.genuine.toLocaleString('en-US')} genuine and ${cell.impostor.toLocaleString('en-US')} impostor comparisons`;
  if (rate === null) return html('td', { class: 'od-none', title }, html('span', {}, 'too few pairs'), html('small', {}, counts));
  const found = html('td', { title, 'data-pair': pair, 'data-rate': rate }, html('b', {}, percent(rate)), html('small', {}, interval(low, high)), html('small', {}, counts));
  const share = Math.min(rate / top, 1), [from, to, part] = share < 0.5 ? [LIGHT, MIDDLE, 2 * share] : [MIDDLE, DARK, 2 * share - 1];
  found.style.backgroundColor = `rgb(${from.map((v, i) => Math.round(v + (to[i] - v) * part)).join(' ')})`;
  found.style.color = share > 0.72 ? '#fff' : '#0f172a';
  return found;
}

function interval(low, high) {
  if (typeof low !== 'number' || typeof high !== 'number') return ' ';
  const digits = high < 0.1 ? 1 : 0;
  return `${(100 * low).toFixed(digits)} to ${(100 * high).toFixed(digits)}`;
}

const shortCount = count => (count < 10_000 ? count.toLocaleString('en-US') : `${Math.round(count / 1000).toLocaleString('en-US')}k`);
