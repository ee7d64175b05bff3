// Score -> decision, by what the card knows about faces posed like these. As sfpn/verification/decision.py.
import { POSES } from './pose.js';
import { counted, scoresAround, squareAt } from './neighbourhood.js';
import { levelOf, nearestNode, nodeAt, pointAt } from './surface.js';
/** @typedef {import('./types.js').Card} Card @typedef {import('./types.js').Rule} Rule */

export const POOLED = 'pooled', DEFAULT_FMR = 0.001, FMR_TARGETS = [0.01, 0.001, 0.0001];
const UNCERTAIN_FACTOR = 10;

/** Two poses in the order frontal, three_quarter, profile. @returns {[string, string]} */
export const posePair = (a, b) => /** @type {[string, string]} */ ([a, b].sort((x, y) => POSES.indexOf(x) - POSES.indexOf(y)));

/**
 * The operating point for a target FMR: of these yaws, else of the pose pair, else that of all pairs.
 * @param {Card} card @param {[string, string]} pair @param {number} target @param {[number, number]} yaws degrees
 * @returns {Rule}
 */
export function ruleForFmr(card, pair, target, yaws) {
  const onSurface = card.surface && knownTargets(card, pair).includes(target) && surfaceRule(card.surface, pair, target, yaws);
  if (onSurface) return onSurface;
  for (const key of [pair.join('-'), POOLED])
    for (const point of card.operating_points[key] ?? [])
      if (point.target_fmr === target)
        return { pair, scoresOf: key, point, uncertainFrom: uncertainFrom(card, key, point), yaws: null, setWithin: null, measuredWithin: null, square: null };
  throw new Error(`model ${card.name}: its card has no operating point at FMR ${target}; make them with: python -m sfpn calibrate`);
}

/** Target FMRs with an answer, laxest first. @param {Card} card @param {[string, string]} pair */
export function knownTargets(card, pair) {
  const points = [...(card.operating_points[pair.join('-')] ?? []), ...(card.operating_points[POOLED] ?? [])];
  const onSurface = (card.surface?.levels ?? []).map(level => level.target_fmr).filter(target => FMR_TARGETS.includes(target));
  return [...new Set([...points.map(point => point.target_fmr), ...onSurface])].sort((a, b) => b - a);
}

/** @returns {Rule|null} */
function surfaceRule(surface, pair, target, yaws) {
  const level = levelOf(surface, target), point = pointAt(surface, target, ...yaws);
  if (!level || !point || !level.impostor.length) return null;
  const laxer = pointAt(surface, UNCERTAIN_FACTOR * target, ...yaws), node = nearestNode(surface, ...yaws);
  const square = squareAt(surface.yaw_degrees, nodeAt(surface, node), level.within_degrees[node]), around = scoresAround(surface, square);
  return {
    pair,
    scoresOf: 'surface',
    point: around ? counted(point, around) : point,
    uncertainFrom: laxer ? Math.min(point.threshold, laxer.threshold) : point.threshold,
    yaws: [Math.abs(yaws[0]), Math.abs(yaws[1])],
    setWithin: level.width_degrees[node],
    measuredWithin: level.within_degrees[node],
    square,
  };
}

/** @param {Rule} rule @param {number} score @returns {'match'|'uncertain'|'no match'} */
export function decide({ point, uncertainFrom: from }, score) {
  if (score >= point.threshold) return 'match';
  return score >= from ? 'uncertain' : 'no match';
}

/** What a figure of a rule shows: the scores of pairs posed like these, else those of the pose pair. @param {Card} card @param {Rule} rule */
export const histogramOf = (card, rule) => (card.surface && rule.square && scoresAround(card.surface, rule.square)) || histogramFor(card, rule.pair);

/** @param {Card} card @param {[string, string]} pair of which the histogram is, or null */
export const histogramFor = (card, pair) => card.histograms[pair.join('-')] ?? card.histograms[POOLED] ?? null;

/** @param {{low: number, high: number, genuine: number[]}} histogram */
export const edgesOf = ({ low, high, genuine: { length } }) => Array.from({ length: length + 1 }, (_, i) => low + (i * (high - low)) / length);

/** The highest histogram edge below which at most a share of genuine scores lie. @returns {number|null} */
export function genuineQuantile(card, pair, share) {
  const histogram = histogramFor(card, pair);
  if (!histogram) return null;
  const total = histogram.genuine.reduce((a, b) => a + b, 0), edges = edgesOf(histogram);
  let below = 0, best = edges[0];
  edges.forEach((edge, i) => {
    if (below <= share * total) best = edge;
    below += histogram.genuine[i] ?? 0;
  });
  return best;
}

function uncertainFrom(card, key, point) {
  if (!point.impostor) return point.threshold;
  const laxer = UNCERTAIN_FACTOR * Math.max(point.target_fmr, 1 / point.impostor);
  const record = (card.operating_points[key] ?? []).find(each => Math.abs(each.target_fmr - laxer) < 1e-9);
  if (record) return Math.min(record.threshold, point.threshold);
  const histogram = card.histograms[key];
  if (!histogram) return point.threshold;
  const total = histogram.impostor.reduce((a, b) => a + b, 0);
  let above = total;
  const reached = edgesOf(histogram).filter((_, i) => {
    const fits = above <= laxer * total;
    above -= histogram.impostor[i] ?? 0;
    return fits;
  });
  return Math.min(point.threshold, ...reached);
}
