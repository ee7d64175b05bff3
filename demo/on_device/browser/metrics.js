// Error rates of genuine and impostor scores. As sfpn/evaluation/metrics.py, whose conventions hold here too.
export const FMR_TARGETS = [0.01, 0.001, 0.0001];
const SUPPORT = 3; // impostor comparisons needed, times the target: the rule of three

/** Scores of one kind, sorted once. */
export class Scores {
  /** @param {ArrayLike<number>} values */
  constructor(values) {
    this.values = Float32Array.from(values).sort();
  }

  get total() {
    return this.values.length;
  }

  /** How many are < threshold, or <= if inclusive. @param {number} threshold @param {boolean} [inclusive] */
  below(threshold, inclusive = false) {
    return firstWhere(this.values.length, i => (inclusive ? this.values[i] > threshold : this.values[i] >= threshold));
  }

  /** The lowest value for which something holds that holds for all higher ones; infinity if for none. @param {(score: number) => boolean} met */
  first(met) {
    const at = firstWhere(this.values.length, i => met(this.values[i]));
    return at < this.values.length ? this.values[at] : Infinity;
  }
}

/** The lowest index for which a monotone condition holds. */
function firstWhere(count, holds) {
  let low = 0, high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Share of impostors >= threshold (> if not inclusive). @param {Scores} impostor @param {number} threshold @param {boolean} [inclusive] */
export const fmr = (impostor, threshold, inclusive = true) => (impostor.total - impostor.below(threshold, !inclusive)) / impostor.total;

/** Share of genuine scores < threshold (<= if inclusive). @param {Scores} genuine @param {number} threshold @param {boolean} [inclusive] */
export const fnmr = (genuine, threshold, inclusive = false) => genuine.below(threshold, inclusive) / genuine.total;

/** Equal error rate (0-1) and the score at which it is crossed; null where a kind has no score. @param {Scores} genuine @param {Scores} impostor */
export function eer(genuine, impostor) {
  if (!genuine.total || !impostor.total) return { rate: null, threshold: null };
  const crossed = score => fnmr(genuine, score, true) >= fmr(impostor, score, false);
  const threshold = Math.min(genuine.first(crossed), impostor.first(crossed));
  const fmrAt = fmr(impostor, threshold), fmrAbove = fmr(impostor, threshold, false);
  const gapAt = fmrAt - fnmr(genuine, threshold), gapAbove = fnmr(genuine, threshold, true) - fmrAbove;
  return { rate: (fmrAt * gapAbove + fmrAbove * gapAt) / (gapAt + gapAbove), threshold };
}

/**
 * FNMR at the lowest threshold with FMR <= target; all null where there are too few impostors to tell.
 * @param {Scores} genuine @param {Scores} impostor @param {number} target
 */
export function operatingPoint(genuine, impostor, target) {
  if (impostor.total * target < SUPPORT * (1 - 1e-12) || !genuine.total) return { target, threshold: null, fmr: null, fnmr: null };
  const met = score => fmr(impostor, score) <= target;
  const threshold = Math.min(genuine.first(met), impostor.first(met), justAbove(genuine, impostor));
  return { target, threshold, fmr: fmr(impostor, threshold), fnmr: fnmr(genuine, threshold) };
}

function justAbove(genuine, impostor) {
  const highest = Math.max(...[genuine, impostor].map(({ values }) => values[values.length - 1]));
  const bits = new Int32Array(Float32Array.of(highest + 0).buffer);
  bits[0] += highest >= 0 ? 1 : -1;
  return new Float32Array(bits.buffer)[0];
}
