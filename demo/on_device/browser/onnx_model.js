// How an ONNX network wants its pictures and which output is the embedding, tried once. As sfpn/network/onnx_model.py.
import { runSession, typed } from './runtime.js';
/** @typedef {import('./types.js').Card} Card @typedef {import('./types.js').Session} Session */
/**
 * @typedef {{name: string, type: string, layout: string, batch: number}} Input `layout`: NCHW, NHWC, CHW or HWC; `batch`:
 *   faces that it takes at once
 * @typedef {{session: Session, card: Card, input: Input, output: string, descriptorSize: number}} Model
 */

const TYPES = { float32: Float32Array, float64: Float64Array, uint8: Uint8Array };
const MAX_BATCH = 256, MAX_PIXELS = 16e6, MAX_DESCRIPTOR = 8192; // of the last, Python takes more: a tab has less memory

/** @param {Session} session @param {Card} card @param {string} name for messages @returns {Promise<Model>} */
export async function asModel(session, card, name) {
  const { size } = card.preprocess, { input, axes } = onlyInput(session, name);
  checkWhole(input.type, card.preprocess, name);
  let refused = '';
  for (const { layout, batch } of arrangements(axes, size)) {
    const tried = { ...input, layout, batch };
    let outputs;
    try {
      outputs = await runSession(session, tried.name, typed(arranged(new Float32Array(3 * size * size), size, tried), tried.type, dimsOf(tried, size)));
    } catch (error) {
      refused ||= `${name}: cannot be run on an empty picture of ${size} pixels (${short(error)}); give the size that it was made for in its card`;
      continue;
    }
    const [output, descriptorSize] = chosen(outputs, batch, card.architecture, name);
    for (const field of ['descriptor_mean', 'pose_direction'])
      if (card[field] && card[field].length !== descriptorSize) throw new Error(`${name}: its card has a ${field} of ${card[field].length} numbers, not ${descriptorSize}`);
    return { session, card, input: tried, output, descriptorSize };
  }
  throw new Error(refused || `${name}: its input has the shape ${axes.map(axis => axis ?? '?').join(' x ')}, which is not a batch of colour pictures of ` +
    `${size}x${size}; give the size that it was made for in its card`);
}

/** One face through the network. @param {Model} model @param {Float32Array} planes 3 x size x size @returns {Promise<Float64Array>} */
export async function forward({ session, card, input, output, descriptorSize }, planes) {
  const { size } = card.preprocess;
  const found = await runSession(session, input.name, typed(arranged(planes, size, input), input.type, dimsOf(input, size)));
  const data = found[output]?.data;
  if (!data || data.length !== input.batch * descriptorSize) throw new Error(`${card.name}: gave another number of values than before; export it again`);
  return Float64Array.from(data.subarray(0, descriptorSize));
}

function onlyInput({ inputNames, inputMetadata }, name) {
  if (inputNames.length !== 1) throw new Error(`${name}: a face network has one input, the picture; this has ${inputNames.length}: ${inputNames.join(', ').slice(0, 200) || 'none'}`);
  const { type, shape } = inputMetadata[0];
  if (!(type in TYPES)) throw new Error(`${name}: takes ${type}; a browser can give pictures as ${Object.keys(TYPES).join(', ')}, export it with one`);
  const axes = (shape ?? []).map(axis => (typeof axis === 'number' && axis > 0 ? axis : null));
  if (axes.length !== 3 && axes.length !== 4)
    throw new Error(`${name}: its input has the shape ${JSON.stringify(shape ?? [])}; it needs the axes of a picture: batch, 3 channels, height, width`);
  return { input: { name: inputNames[0], type }, axes };
}

function checkWhole(type, { mean, scale }, name) {
  if (type === 'uint8' && (mean.some(v => v) || scale !== 1))
    throw new Error(`${name}: takes pixels as they are (uint8), but its card subtracts ${JSON.stringify(mean)} and divides by ${scale}; write mean 0 and scale 1 into the card`);
}

/** What the axes allow, a stated 3 as the channels first. */
function arrangements(axes, size) {
  const orders = { CHW: [3, size, size], HWC: [size, size, 3] }, last = axes.slice(-3);
  const layouts = Object.keys(orders).filter(order => orders[order].every((side, i) => last[i] === null || last[i] === side));
  layouts.sort((a, b) => Number(last[a.indexOf('C')] !== 3) - Number(last[b.indexOf('C')] !== 3));
  if (axes.length === 3) return layouts.map(layout => ({ layout, batch: 1 }));
  const batch = axes[0] ?? 1;
  if (batch > MAX_BATCH || batch * size ** 2 > MAX_PIXELS) return [];
  return layouts.map(layout => ({ layout: `N${layout}`, batch }));
}

function dimsOf({ layout, batch }, size) {
  const picture = layout.endsWith('CHW') ? [3, size, size] : [size, size, 3];
  return layout.startsWith('N') ? [batch, ...picture] : picture;
}

/** The same face as often as the input wants faces at once. */
function arranged(planes, size, { type, layout, batch }) {
  const plane = size * size, out = new TYPES[type](3 * plane * batch), last = layout.endsWith('HWC');
  const whole = type === 'uint8' ? v => Math.min(Math.max(Math.round(v), 0), 255) : v => v;
  for (let band = 0; band < 3; band++)
    for (let i = 0; i < plane; i++) out[last ? 3 * i + band : band * plane + i] = whole(planes[band * plane + i]);
  for (let n = 1; n < batch; n++) out.copyWithin(n * 3 * plane, 0, 3 * plane);
  return out;
}

/** Name and length of the output that holds one embedding a face. */
function chosen(outputs, batch, { descriptor_size: wanted, output: named }, name) {
  const lengths = Object.entries(outputs)
    .filter(([, { type, data, dims }]) => /^float/.test(type) && data.length && data.length % batch === 0 && (batch === 1 || dims[0] === batch))
    .map(([output, { data }]) => /** @type {[string, number]} */ ([output, data.length / batch]));
  const have = lengths.map(([output, length]) => `${output} (${length} numbers a face)`).join(', ').slice(0, 300) || 'no such output';
  const fitting = lengths.filter(([output, length]) => (!named || output === named) && (wanted ? length === wanted : length > 1));
  if (!fitting.length)
    throw new Error(`${name}: has no output${named ? ` called ${named}` : ''} that is an embedding${wanted ? ` of ${wanted} numbers` : ''}; it has ${have}`);
  if (fitting.length > 1) throw new Error(`${name}: several of its outputs may be the embedding: ${have}; name one in its card, as architecture.output`);
  if (fitting[0][1] > MAX_DESCRIPTOR) throw new Error(`${name}: gives ${fitting[0][1]} numbers a face, more than the ${MAX_DESCRIPTOR} that this page takes`);
  return fitting[0];
}

/** @param {any} error */
export const short = error => String(error?.message ?? error).split(/\s+/).join(' ').slice(0, 200);
