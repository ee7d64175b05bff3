// What a comparison means, in the same words as the command and the other tabs. As sfpn/verification/wording.py.
import { POOLED, decide } from './decision.js';
import { roundHalfEven } from './resample.js';
import { EVERYWHERE_DEGREES } from './neighbourhood.js';
/** @typedef {import('./types.js').Rule} Rule @typedef {import('./types.js').Face} Face */

export const POSE_LABELS = { frontal: 'frontal', three_quarter: 'three-quarter', profile: 'profile' };
const WIDE_DEGREES = 20, FEW_GENUINE = 100, HEADLINES = { match: 'Match', uncertain: 'Uncertain, so no match', 'no match': 'No match' };

/** @param {Rule} rule @param {number} score */
export const headline = (rule, score) => HEADLINES[decide(rule, score)];

/** @param {[string, string]} pair */
export function pairWords([first, second]) {
  return first === second ? `two ${POSE_LABELS[first]}` : `${POSE_LABELS[first]} and ${POSE_LABELS[second]}`;
}

/** A rate (0-1) as a percentage with two significant digits. @param {number} rate */
export const percent = rate => (rate < 0.995 ? `${twoDigits(100 * rate)} %` : `${(100 * rate).toFixed(0)} %`);

function twoDigits(value) { // Python's .2g
  if (Number.isNaN(value)) return 'nan';
  if (!value) return '0';
  const [digits, exponent] = value.toExponential(1).split('e');
  if (+exponent < -4) return `${+digits}e-${String(-exponent).padStart(2, '0')}`;
  return String(+value.toPrecision(2));
}

/** Why this score is judged as it is. @param {Rule} rule @param {number} score */
export function explanation({ point: { threshold }, uncertainFrom }, score) {
  const [given, bound, from] = [score, threshold, uncertainFrom].map(v => v.toFixed(3));
  if (score >= threshold) return `The score ${given} reaches the threshold ${bound}.`;
  if (score >= uncertainFrom)
    return `The score ${given} lies just below the threshold ${bound}: in the zone from ${from} on, ten times as many ` +
      'strangers score as high. Do not take it as proof either way; try other photos.';
  return `The score ${given} is below the threshold ${bound}, and below the uncertain zone from ${from} on.`;
}

/** Both error rates at the threshold with their counts. @param {Rule} rule */
export function errorRates({ point }) {
  const count = n => n.toLocaleString('en-US');
  return `At this threshold ${percent(point.fmr)} of strangers match (FMR: ${count(point.false_matches)} of ` +
    `${count(point.impostor)} pairs) and ${percent(point.fnmr)} of pairs of one person do not ` +
    `(FNMR: ${count(point.false_non_matches)} of ${count(point.genuine)}).`;
}

/** Which scores the rates come from. @param {Rule} rule */
export function provenance(rule) {
  const { point } = rule, words = [`Measured on ${point.measured_on}; threshold set on ${point.set_on}.`];
  if (rule.yaws && rule.measuredWithin !== null) words.unshift(neighbourhood(rule));
  if (rule.scoresOf === POOLED)
    words.unshift(`There are no scores of ${pairWords(rule.pair)} faces: those of all pose pairs together stand in.`);
  if (point.genuine < FEW_GENUINE) words.push(`They are only ${point.genuine} pairs of one person: take the FNMR as rough.`);
  if (point.pose_estimated) words.push('The poses of these photos are estimates, not labels.');
  return words.join(' ');
}

function neighbourhood(rule) {
  const { yaws, setWithin, measuredWithin } = rule;
  if (measuredWithin === EVERYWHERE_DEGREES || setWithin === EVERYWHERE_DEGREES)
    return 'There are too few pairs of faces posed like these: those of all poses together stand in.';
  const [first, second] = yaws.map(roundHalfEven), wide = Math.max(setWithin ?? 0, measuredWithin ?? 0) > WIDE_DEGREES;
  return `The threshold is that of faces turned by ${first} and ${second} degrees. Counted were ${squareWords(rule)}.` +
    (wide ? ' Nearer ones are too few, so take the rates as rough.' : '');
}

/** Those pairs that the rates are counted on. @param {Rule} rule */
export function squareWords({ square, pair, measuredWithin }) {
  if (!square) return `pairs of ${pairWords(pair)} faces`;
  if (measuredWithin === EVERYWHERE_DEGREES) return 'pairs of faces of all poses';
  const [[a0, a1], [b0, b1]] = square.map(side => side.map(roundHalfEven));
  if (a0 === b0 && a1 === b1) return `pairs of faces both turned by ${a0} to ${a1} degrees`;
  return `pairs of a face turned by ${a0} to ${a1} degrees and one by ${b0} to ${b1}`;
}

const signed = degrees => `${degrees < 0 || Object.is(degrees, -0) ? '−' : '+'}${roundHalfEven(Math.abs(degrees))}`;

/** Where a face looks and how sure that is. @param {import('./types.js').HeadPose} head */
export const headWords = head => `yaw ${signed(head.yaw)}°, give or take ${roundHalfEven(head.yawUncertainty)}; pitch ${signed(head.pitch)}`;

/** @param {number} degrees */
export const turnedWords = degrees =>
  ({ 0: '', 90: 'turned by 90 degrees to stand upright', 180: 'turned upside down to stand upright',
    270: 'turned by 90 degrees to the left to stand upright' })[degrees];
