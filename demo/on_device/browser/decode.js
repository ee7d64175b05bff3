// A file the visitor gave -> upright RGBA pixels, within stated bounds, or one sentence. As sfpn/photos/photo.py.
import { giveBack } from './memory.js';
/** @typedef {import('./types.js').Picture} Picture */

const MAX_BYTES = 40e6, MAX_PIXELS = 64e6, MIN_SIDE = 20;
const KEPT_PIXELS = 16e6, STRIP_PIXELS = 1e6; // more than the first are reduced by the browser, so that a phone's memory holds them

/**
 * @param {Blob} blob @param {string} name by which messages speak of it
 * @returns {Promise<Picture>} upright, what is transparent on white; throws an Error whose message is for the visitor
 */
export async function decode(blob, name) {
  if (!blob.size) throw new Error(`${name}: is an empty file; choose another photo`);
  if (blob.size > MAX_BYTES) throw new Error(`${name}: is larger than 40 MB; save it smaller or as JPEG`);
  const stated = statedSize(new DataView(await blob.slice(0, 262144).arrayBuffer()));
  if (stated) checkSize(stated, name);
  const asStored = /** @type {ImageBitmapOptions} */ ({ colorSpaceConversion: 'none' }); // Python knows no colour profiles either
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, asStored);
  } catch {
    throw new Error(`${name}: is not a picture that this browser can read, or is damaged; save it as JPEG or PNG`);
  }
  try {
    checkSize(bitmap, name);
  } catch (error) {
    bitmap.close();
    throw error;
  }
  return pixelsOf(bitmap);
}

/** @param {ImageBitmap} bitmap is closed @param {number} [most] pixels that are kept @returns {Picture} */
export function pixelsOf(bitmap, most = KEPT_PIXELS) {
  try {
    return drawn(bitmap.width * bitmap.height > most ? shrunk(bitmap, most) : bitmap);
  } finally {
    bitmap.close();
  }
}

/** A smaller copy of so many pixels; of the two only it is left. */
function shrunk(bitmap, most) {
  const scale = Math.sqrt(most / (bitmap.width * bitmap.height));
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(bitmap.width * scale)), Math.max(1, Math.round(bitmap.height * scale)));
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext('2d', { willReadFrequently: true }));
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas;
}

/** All pixels on white, some rows at a time. Bitmaps of some rows would not do: of a photo that is turned Chromium takes others. */
function drawn(source) {
  const { width, height } = source, out = { data: new Uint8ClampedArray(4 * width * height), width, height };
  const rows = Math.min(height, Math.ceil(STRIP_PIXELS / width)), canvas = new OffscreenCanvas(width, rows);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext('2d', { willReadFrequently: true }));
  context.imageSmoothingEnabled = false;
  context.fillStyle = '#fff';
  for (let top = 0; top < height; top += rows) {
    context.fillRect(0, 0, width, rows);
    context.drawImage(source, 0, -top);
    const { data } = context.getImageData(0, 0, width, Math.min(rows, height - top));
    out.data.set(data, 4 * width * top);
    giveBack(data);
  }
  release(canvas);
  if (source instanceof OffscreenCanvas) release(source);
  return out;
}

/** Gives the memory of a canvas back at once. @param {OffscreenCanvas} canvas */
function release(canvas) {
  canvas.width = canvas.height = 0;
}

/**
 * A picture as the page can draw it, to be handed over: nothing of it stays here, and the browser keeps no copy, as it
 * does of picture files. @param {Picture} picture becomes opaque @returns {Promise<ImageBitmap>}
 */
export function bitmapOf({ data, width, height }) {
  for (let i = 3; i < data.length; i += 4) data[i] = 255;
  return createImageBitmap(new ImageData(/** @type {any} */ (data), width, height));
}

function checkSize({ width, height }, name) {
  if (width * height > MAX_PIXELS)
    throw new Error(`${name}: has ${Math.round((width * height) / 1e6)} megapixels, more than the 64 allowed; make it smaller`);
  if (Math.min(width, height) < MIN_SIDE)
    throw new Error(`${name}: is only ${width}x${height} pixels; a face needs at least ${MIN_SIDE}, give a larger photo`);
}

/** The size that a header states, before any pixel is decoded; null where it is not known. */
function statedSize(bytes) {
  const at = (place, text) => [...text].every((c, i) => place + i < bytes.byteLength && bytes.getUint8(place + i) === c.charCodeAt(0));
  try {
    if (at(1, 'PNG')) return { width: bytes.getUint32(16), height: bytes.getUint32(20) };
    if (at(0, 'GIF8')) return { width: bytes.getUint16(6, true), height: bytes.getUint16(8, true) };
    if (at(0, 'BM')) return { width: bytes.getInt32(18, true), height: Math.abs(bytes.getInt32(22, true)) };
    if (at(8, 'WEBPVP8X'))
      return { width: 1 + (bytes.getUint32(24, true) & 0xffffff), height: 1 + (bytes.getUint32(27, true) & 0xffffff) };
    if (bytes.getUint16(0) === 0xffd8) return sizeOfJpeg(bytes);
  } catch { /* cut off: the browser says so */ }
  return null;
}

function sizeOfJpeg(bytes) {
  for (let at = 2; at + 9 < bytes.byteLength; at += 2 + bytes.getUint16(at + 2)) {
    if (bytes.getUint8(at) !== 0xff) return null;
    const marker = bytes.getUint8(at + 1);
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { width: bytes.getUint16(at + 7), height: bytes.getUint16(at + 5) };
  }
  return null;
}
