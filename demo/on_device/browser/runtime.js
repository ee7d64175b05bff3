// ONNX Runtime's WebAssembly build, one thread: the only code here that is not the project's own.
import { giveBack } from './memory.js';
/**
 * @typedef {{url: string, bytes: number, packed: boolean, planes?: boolean, integrity: string|null}} RemoteFile `bytes` of
 *   it on its way; `packed`: gzipped; `planes`: before that, the first of every four bytes came first, then the second ...
 */

let ort; // the module, once loaded
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];

/** What this browser lacks, as one sentence; '' where it has all. */
export function whatIsMissing() {
  const simd = typeof WebAssembly === 'object' && WebAssembly.validate(new Uint8Array(SIMD));
  if (!simd) return 'This browser has no WebAssembly with SIMD, which the networks need: update it, or use the tab Verify.';
  if (typeof DecompressionStream !== 'function' || typeof OffscreenCanvas !== 'function')
    return 'This browser is too old to unpack the networks and read photos in the background: update it, or use the tab Verify.';
  return '';
}

/**
 * @param {{module: RemoteFile, glue: RemoteFile, wasm: RemoteFile}} files
 * @param {(bytes: number) => void} arrived is told of all bytes as they come
 */
export async function loadRuntime({ module, glue, wasm }, arrived) {
  const parts = await Promise.all([module, glue, wasm].map(file => fetchFile(file, arrived)));
  const [moduleUrl, glueUrl] = parts.slice(0, 2).map(part => URL.createObjectURL(new Blob([/** @type {any} */ (part)], { type: 'text/javascript' })));
  ort = await import(moduleUrl);
  ort.env.wasm.numThreads = 1; // more need cross-origin isolation, which a page inside another one's frame has not
  ort.env.wasm.proxy = false;
  ort.env.wasm.wasmPaths = { mjs: glueUrl };
  ort.env.wasm.wasmBinary = parts[2];
}

/** @param {Uint8Array} encoded an ONNX file, whose memory is given back @returns {Promise<any>} */
export async function openSession(encoded) {
  const session = await ort.InferenceSession.create(encoded, { executionProviders: ['wasm'], graphOptimizationLevel: 'all' });
  giveBack(encoded);
  const { wasmBinary } = ort.env.wasm;
  if (wasmBinary) giveBack(wasmBinary); // 14 MB that the first session has compiled, and its glue would keep
  ort.env.wasm.wasmBinary = undefined;
  return session;
}

/** @param {Float32Array} data @param {number[]} dims */
export const tensor = (data, dims) => typed(data, 'float32', dims);

/** @param {any} data @param {string} type of ONNX Runtime @param {number[]} dims */
export const typed = (data, type, dims) => new ort.Tensor(type, data, dims);

/** All outputs by name. @param {any} session @param {string} name of its only input @param {any} given */
export const runSession = (session, name, given) => session.run({ [name]: given });

/**
 * The bytes of a file, unpacked where it is kept gzipped.
 * @param {RemoteFile} file @param {(bytes: number) => void} [arrived] @returns {Promise<Uint8Array>}
 */
export async function fetchFile({ url, packed, planes, integrity }, arrived = () => {}) {
  const name = url.split('/').pop();
  let answer;
  try {
    answer = await fetch(url, integrity ? { integrity, mode: 'cors', credentials: 'omit' } : {});
  } catch {
    throw new Error(`${name} does not come from ${new URL(url).host}` + (integrity ? ', or is not the file that this page was made for' : '') + '; try again later');
  }
  if (!answer.ok || !answer.body) throw new Error(`${name} cannot be loaded (${answer.status}); reload the page`);
  const counted = answer.body.pipeThrough(new TransformStream({
    transform(chunk, out) {
      arrived(chunk.byteLength);
      out.enqueue(chunk);
    },
  }));
  const stream = packed ? counted.pipeThrough(new DecompressionStream('gzip')) : counted;
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  return planes ? interleaved(bytes) : bytes;
}

/** The bytes in the order of the file. @param {Uint8Array} planes */
function interleaved(planes) {
  const out = new Uint8Array(planes.length), each = Math.floor(planes.length / 4);
  for (let k = 0; k < 4; k++) for (let i = 0; i < each; i++) out[4 * i + k] = planes[k * each + i];
  out.set(planes.subarray(4 * each), 4 * each);
  return out;
}
