// Pillow's resampling, digit by digit (Resample.c, Reduce.c, Geometry.c): a browser's own would give other pixels.
import { giveBack } from './memory.js';
/** @typedef {import('./types.js').Picture} Picture */

const BITS = 22; // of the fixed-point weights
const FILTERS = {
  box: { support: 0.5, weight: x => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: x => Math.max(0, 1 - Math.abs(x)) },
  lanczos: { support: 3, weight: x => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};
const sinc = x => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));

/** @param {number} width @param {number} height @returns {Picture} black */
export function blank(width, height) {
  return { data: new Uint8ClampedArray(4 * width * height), width, height };
}

/** Python's round(): halves go to the even number. @param {number} x */
export function roundHalfEven(x) {
  const low = Math.floor(x), rest = x - low;
  return rest === 0.5 ? low + (low % 2 ? 1 : 0) : Math.round(x);
}

/**
 * Image.resize((width, height), filter, box): antialiased, in two passes of 8 bits.
 * @param {Picture} picture @param {number} width @param {number} height @param {'box'|'bilinear'|'lanczos'} filter
 * @param {number[]} [box] left, top, right, bottom; fractions are allowed
 * @returns {Picture}
 */
export function resize(picture, width, height, filter, box = [0, 0, picture.width, picture.height]) {
  const across = weights(picture.width, box[0], box[2], width, filter);
  const down = weights(picture.height, box[1], box[3], height, filter);
  const plain = (size, wanted, low, high) => size === wanted && low === 0 && high === size;
  let first = 0, between = picture;
  if (!plain(picture.width, width, box[0], box[2])) {
    first = down.starts[0];
    const last = down.starts[height - 1] + down.counts[height - 1];
    between = horizontal(picture, across, width, first, last);
  }
  if (plain(picture.height, height, box[1], box[3])) return between;
  const found = vertical(between, down, height, first);
  if (between !== picture) giveBack(between.data);
  return found;
}

function weights(size, low, high, count, filter) {
  const { support: unit, weight } = FILTERS[filter];
  const scale = (high - low) / count, wide = Math.max(scale, 1), support = unit * wide;
  const longest = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(count), counts = new Int32Array(count), values = new Int32Array(count * longest);
  const row = new Float64Array(longest);
  for (let i = 0; i < count; i++) {
    const center = low + (i + 0.5) * scale;
    const start = Math.max(Math.trunc(center - support + 0.5), 0);
    const n = Math.min(Math.trunc(center + support + 0.5), size) - start;
    let sum = 0;
    for (let k = 0; k < n; k++) sum += row[k] = weight((k + start - center + 0.5) / wide);
    for (let k = 0; k < n; k++) {
      const value = (sum ? row[k] / sum : row[k]) * 2 ** BITS;
      values[i * longest + k] = Math.trunc(value < 0 ? value - 0.5 : value + 0.5);
    }
    starts[i] = start;
    counts[i] = n;
  }
  return { starts, counts, values, longest };
}

function horizontal(picture, { starts, counts, values, longest }, width, first, last) {
  const out = blank(width, last - first), { data } = picture, half = 1 << (BITS - 1);
  for (let y = first, to = 0; y < last; y++)
    for (let x = 0; x < width; x++, to += 4) {
      let r = half, g = half, b = half, from = 4 * (y * picture.width + starts[x]);
      for (let k = x * longest, end = k + counts[x]; k < end; k++, from += 4) {
        const w = values[k];
        r += data[from] * w;
        g += data[from + 1] * w;
        b += data[from + 2] * w;
      }
      out.data[to] = r >> BITS;
      out.data[to + 1] = g >> BITS;
      out.data[to + 2] = b >> BITS;
    }
  return out;
}

function vertical(picture, { starts, counts, values, longest }, height, first) {
  const { data, width } = picture, out = blank(width, height), half = 1 << (BITS - 1), row = 4 * width;
  for (let y = 0, to = 0; y < height; y++)
    for (let x = 0; x < width; x++, to += 4) {
      let r = half, g = half, b = half, from = (starts[y] - first) * row + 4 * x;
      for (let k = y * longest, end = k + counts[y]; k < end; k++, from += row) {
        const w = values[k];
        r += data[from] * w;
        g += data[from + 1] * w;
        b += data[from + 2] * w;
      }
      out.data[to] = r >> BITS;
      out.data[to + 1] = g >> BITS;
      out.data[to + 2] = b >> BITS;
    }
  return out;
}

/**
 * Image.reduce((across, down)): means of whole blocks of pixels, smaller ones at the right and lower border.
 * @param {Picture} picture @param {number} across @param {number} down @returns {Picture}
 */
export function reduce(picture, across, down) {
  const { data, width, height } = picture;
  const out = blank(Math.ceil(width / across), Math.ceil(height / down));
  for (let y = 0, to = 0; y < out.height; y++)
    for (let x = 0; x < out.width; x++, to += 4) {
      const right = Math.min((x + 1) * across, width), bottom = Math.min((y + 1) * down, height);
      const n = (right - x * across) * (bottom - y * down);
      let r = n >> 1, g = r, b = r;
      for (let v = y * down; v < bottom; v++)
        for (let from = 4 * (v * width + x * across), end = 4 * (v * width + right); from < end; from += 4) {
          r += data[from];
          g += data[from + 1];
          b += data[from + 2];
        }
      const times = Math.trunc(2 ** 24 / n);
      out.data[to] = Math.floor((r * times) / 2 ** 24);
      out.data[to + 1] = Math.floor((g * times) / 2 ** 24);
      out.data[to + 2] = Math.floor((b * times) / 2 ** 24);
    }
  return out;
}

/**
 * Image.transform(..., AFFINE, matrix, BILINEAR): black where the source ends.
 * @param {Picture} picture @param {number} width @param {number} height
 * @param {number[]} matrix a, b, c, d, e, f: x' = a x + b y + c, y' = d x + e y + f, from the result to the picture
 * @returns {Picture}
 */
export function affine(picture, width, height, matrix) {
  const [a, b, c, d, e, f] = matrix, { data } = picture, w = picture.width, h = picture.height;
  const out = blank(width, height), clip = (v, size) => (v < 0 ? 0 : v < size ? v : size - 1);
  for (let y = 0, to = 0; y < height; y++)
    for (let x = 0; x < width; x++, to += 4) {
      const u = a * (x + 0.5) + b * (y + 0.5) + c, v = d * (x + 0.5) + e * (y + 0.5) + f;
      if (u < 0 || u >= w || v < 0 || v >= h) continue;
      const left = Math.floor(u - 0.5), top = Math.floor(v - 0.5), dx = u - 0.5 - left, dy = v - 0.5 - top;
      const x0 = 4 * clip(left, w), x1 = 4 * clip(left + 1, w);
      const above = 4 * w * clip(top, h), below = top + 1 >= 0 && top + 1 < h ? 4 * w * (top + 1) : above;
      for (let band = 0; band < 3; band++) {
        const one = data[above + x0 + band], two = data[below + x0 + band];
        const upper = one + (data[above + x1 + band] - one) * dx, lower = two + (data[below + x1 + band] - two) * dx;
        out.data[to + band] = Math.floor(upper + (lower - upper) * dy);
      }
    }
  return out;
}

/** @param {Picture} picture @returns {Picture} */
export function mirror({ data, width, height }) {
  const from = new Uint32Array(data.buffer, data.byteOffset, width * height), out = blank(width, height);
  const to = new Uint32Array(out.data.buffer);
  for (let y = 0, at = 0; y < height; y++) for (let x = 0; x < width; x++) to[at++] = from[y * width + width - 1 - x];
  return out;
}

/** @param {Picture} picture @param {number} degrees clockwise: 0, 90, 180 or 270 @returns {Picture} */
export function turnClockwise(picture, degrees) {
  if (!degrees) return picture;
  const { width, height } = picture, on = degrees === 180;
  const from = new Uint32Array(picture.data.buffer, picture.data.byteOffset, width * height);
  const out = blank(on ? width : height, on ? height : width), to = new Uint32Array(out.data.buffer);
  for (let y = 0, at = 0; y < height; y++)
    for (let x = 0; x < width; x++, at++) {
      if (on) to[width * height - 1 - at] = from[at];
      else if (degrees === 90) to[x * height + height - 1 - y] = from[at];
      else to[(width - 1 - x) * height + y] = from[at];
    }
  return out;
}

/** Image.rotate(degrees, BILINEAR): counter-clockwise about the middle, same size. @param {Picture} picture @param {number} degrees */
export function rotate(picture, degrees) {
  const angle = (-degrees * Math.PI) / 180, cos = Math.cos(angle), sin = Math.sin(angle);
  const x = picture.width / 2, y = picture.height / 2;
  const matrix = [cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y];
  return affine(picture, picture.width, picture.height, matrix);
}

/**
 * The pixels of left, top, right, bottom (whole numbers), also beyond the border: the edge repeated, or black.
 * @param {Picture} picture @param {number[]} box @param {string} padding 'edge' or 'black' @returns {Picture}
 */
export function cut({ data, width, height }, [left, top, right, bottom], padding) {
  const from = new Uint32Array(data.buffer, data.byteOffset, width * height);
  const out = blank(right - left, bottom - top), to = new Uint32Array(out.data.buffer);
  const clip = (v, size) => Math.min(Math.max(v, 0), size - 1);
  for (let y = top, at = 0; y < bottom; y++)
    for (let x = left; x < right; x++, at++) {
      const inside = x >= 0 && x < width && y >= 0 && y < height;
      to[at] = inside || padding === 'edge' ? from[clip(y, height) * width + clip(x, width)] : 0;
    }
  return out;
}
