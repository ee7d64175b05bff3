// Means of areas of a picture with a black border, from one table of sums: as class Areas of sfpn/photos/mtcnn.py.
/** @typedef {import('./types.js').Picture} Picture */

const NEARLY = 1 / 512; // px to either side of a whole pixel in which it is both
let table = new Int32Array(0); // of the newest picture; made anew only for a larger one, since it has megabytes

/** One at a time: the next one overwrites the sums of the last. */
export class Areas {
  /** @param {Picture} picture @param {number} pad width of the border, px */
  constructor(picture, pad) {
    const { data, width, height } = picture, row = 3 * (width + 1);
    this.pad = pad;
    this.inside = [width, height];
    this.size = [width + 2 * pad, height + 2 * pad];
    if (table.length < row * (height + 1)) table = new Int32Array(row * (height + 1));
    const sums = (this.sums = table);
    sums.fill(0, 0, row);
    for (let y = 0, from = 0, to = row; y < height; y++) {
      let r = 0, g = 0, b = 0;
      sums.fill(0, to, to + 3);
      to += 3;
      for (let x = 0; x < width; x++, from += 4, to += 3) {
        sums[to] = sums[to - row] + (r += data[from]);
        sums[to + 1] = sums[to - row + 1] + (g += data[from + 1]);
        sums[to + 2] = sums[to - row + 2] + (b += data[from + 2]);
      }
    }
  }

  /**
   * The bordered picture at a size of whole = [width, height] px, less `leftOut` px on every side: 3 planes.
   * @param {number[]} whole @param {number} leftOut @returns {{data: Float32Array, dims: number[]}}
   */
  level(whole, leftOut) {
    const bins = [0, 1].map(axis => this.bins(0, this.size[axis], whole[axis], leftOut, axis));
    const out = new Float32Array(3 * bins[0].count * bins[1].count);
    this.fill(out, 0, bins[0], bins[1]);
    return { data: out, dims: [1, 3, bins[1].count, bins[0].count] };
  }

  /**
   * N boxes (4 N numbers, px of the bordered picture, counted from one as MTCNN does) at size x size px: N x 3 planes.
   * @param {Float32Array} boxes @param {number} size @returns {Float32Array}
   */
  crops(boxes, size) {
    const count = boxes.length / 4, out = new Float32Array(count * 3 * size * size);
    for (let n = 0; n < count; n++)
      for (const { window, share } of wholeWindows([...boxes.subarray(4 * n, 4 * n + 4)])) {
        const bins = [0, 1].map(axis => {
          const low = Math.max(window[axis], 1) - 1;
          const extent = Math.max(Math.min(window[2 + axis], this.size[axis]) - low, 1);
          return this.bins(low, extent, size, 0, axis);
        });
        this.fill(out, n * 3 * size * size, bins[0], bins[1], share);
      }
    return out;
  }

  /** Bins of whole pixels over a range, which may share a pixel; ends as columns or rows of the table, `extents` in px. */
  bins(start, extent, count, leftOut, axis) {
    const kept = count - 2 * leftOut;
    const low = new Int32Array(kept), high = new Int32Array(kept), extents = new Int32Array(kept);
    const clip = v => Math.min(Math.max(v - this.pad, 0), this.inside[axis]);
    for (let i = 0; i < kept; i++) {
      const from = start + Math.floor(((i + leftOut) * extent) / count);
      const to = start + Math.ceil(((i + leftOut + 1) * extent) / count);
      low[i] = clip(from);
      high[i] = clip(to);
      extents[i] = to - from;
    }
    return { low, high, extents, count: kept };
  }

  /** Adds a share of the means of all bins to what is there. */
  fill(out, at, across, down, share = 1) {
    const { sums } = this, row = 3 * (this.inside[0] + 1), plane = across.count * down.count;
    for (let y = 0; y < down.count; y++) {
      const top = down.low[y] * row, bottom = down.high[y] * row;
      for (let x = 0; x < across.count; x++, at++) {
        const left = 3 * across.low[x], right = 3 * across.high[x], n = down.extents[y] * across.extents[x];
        for (let band = 0; band < 3; band++) {
          const upper = sums[top + right + band] - sums[top + left + band];
          const sum = Math.fround(sums[bottom + right + band] - sums[bottom + left + band] - upper);
          out[at + band * plane] += Math.fround(sum / n) * share;
        }
      }
    }
  }
}

/**
 * Windows of whole pixels for a box, and their shares, which sum to 1: several where an edge is as good as on a pixel.
 * @param {number[]} box @returns {{window: number[], share: number}[]}
 */
function wholeWindows(box) {
  let found = [{ window: /** @type {number[]} */ ([]), share: 1 }];
  for (const edge of box) {
    const lower = Math.floor(edge - NEARLY), upper = Math.floor(edge + NEARLY);
    const share = upper > lower ? (edge + NEARLY - upper) / (2 * NEARLY) : 1;
    found = found.flatMap(({ window, share: before }) => [
      { window: [...window, upper], share: before * share },
      { window: [...window, lower], share: before * (1 - share) },
    ]).filter(each => each.share > 0);
  }
  return found;
}
