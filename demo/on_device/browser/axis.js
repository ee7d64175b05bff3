// The score among those of its pose pair, as a drawing. As demo/verify/score_axis.py.
import { edgesOf } from './decision.js';
import { svg } from './dom.js';

const WIDEST = 640, HEIGHT = 240, TOP = 40, BOTTOM = 28, SHOWN_BINS = 100;

/**
 * @param {any} histogram @param {number} score @param {number} threshold @param {number} uncertainFrom
 * @param {number} room px across @returns {SVGElement}
 */
export function scoreAxis(histogram, score, threshold, uncertainFrom, room) {
  const width = Math.min(WIDEST, Math.max(300, room));
  const { starts, step, genuine, impostor } = grouped(histogram);
  const filled = starts.filter((_, i) => genuine[i] || impostor[i]), ends = [score, threshold, filled[0], filled[filled.length - 1] + step];
  const margin = 0.08 * (Math.max(...ends) - Math.min(...ends)), low = Math.min(...ends) - margin, high = Math.max(...ends) + margin;
  const x = value => ((value - low) / (high - low)) * width, most = Math.max(...genuine, ...impostor);
  const y = share => HEIGHT - BOTTOM - (share / most) * (HEIGHT - TOP - BOTTOM), floor = y(0);
  const outline = shares => {
    const points = starts.flatMap((start, i) => [[x(start), y(shares[i])], [x(start + step), y(shares[i])]]).filter(([at]) => at >= 0 && at <= width);
    return `M${points[0][0].toFixed(1)} ${floor}` + points.map(p => `L${p[0].toFixed(1)} ${p[1].toFixed(1)}`).join('') + `L${points[points.length - 1][0].toFixed(1)} ${floor}Z`;
  };
  const label = (text, at, height, bold) => svg('text', { x: Math.min(Math.max(at, 60), width - 60), y: height, 'text-anchor': 'middle', 'font-weight': bold ? 700 : 400 }, text);
  const words = value => value.toFixed(3).replace('-', '−');
  return svg('svg', { viewBox: `0 0 ${width} ${HEIGHT}`, role: 'img', class: 'od-axis', 'aria-label': `score ${words(score)}, threshold ${words(threshold)}` },
    svg('rect', { x: x(uncertainFrom), y: TOP, width: Math.max(0, x(threshold) - x(uncertainFrom)), height: floor - TOP, class: 'od-unsure' }),
    svg('path', { d: outline(impostor), class: 'od-impostor' }),
    svg('path', { d: outline(genuine), class: 'od-genuine' }),
    svg('line', { x1: 0, x2: width, y1: floor, y2: floor, class: 'od-floor' }),
    svg('line', { x1: x(threshold), x2: x(threshold), y1: TOP, y2: floor, class: 'od-threshold' }),
    svg('line', { x1: x(score), x2: x(score), y1: TOP - 14, y2: floor, class: 'od-score' }),
    label(`score ${words(score)}`, x(score), 16, true),
    label(`threshold ${words(threshold)}`, x(threshold), 34, false),
    ...ticks(low, high, width).map(value => svg('text', { x: x(value), y: HEIGHT - 8, 'text-anchor': 'middle' }, value.toFixed(1).replace('-', '−'))));
}

function ticks(low, high, width) {
  const found = [], each = (high - low) / width > 0.004 ? 2.5 : 5; // to one: steps of 0.4 where there is little room
  for (let step = Math.ceil(low * each); step <= Math.floor(high * each); step++) found.push(step / each);
  return found.filter(value => value > low + 0.06 * (high - low) && value < high - 0.06 * (high - low));
}

/** Fewer bins, as shares of all. */
function grouped(histogram) {
  const edges = edgesOf(histogram), merge = Math.max(1, Math.floor(histogram.genuine.length / SHOWN_BINS)), starts = [];
  for (let i = 0; i < histogram.genuine.length; i += merge) starts.push(edges[i]);
  const shares = counts => {
    const total = Math.max(1, counts.reduce((a, b) => a + b, 0));
    return starts.map((_, i) => counts.slice(i * merge, (i + 1) * merge).reduce((a, b) => a + b, 0) / total);
  };
  return { starts, step: merge * (edges[1] - edges[0]), genuine: shares(histogram.genuine), impostor: shares(histogram.impostor) };
}
