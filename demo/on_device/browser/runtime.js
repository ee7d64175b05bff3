// ONNX Runtime's WebAssembly build, one thread: the only code here that is not the project's own.
/** @typedef {{url: string, bytes: number, packed: boolean, integrity: string|null}} RemoteFile */

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
  const [moduleUrl, glueUrl] = parts.slice(0, 2).map(part => URL.createObjectURL(new Blob([part], { type: 'text/javascript' })));
  ort = await import(moduleUrl);
  ort.env.wasm.numThreads = 1; // more need cross-origin isolation, which a page inside another one's frame has not
  ort.env.wasm.proxy = false;
  ort.env.wasm.wasmPaths = { mjs: glueUrl };
  ort.env.wasm.wasmBinary = parts[2];
}

/** @param {Uint8Array} encoded an ONNX file @returns {Promise<any>} */
export const openSession = encoded =>
  ort.InferenceSession.create(encoded, { executionProviders: ['wasm'], graphOptimizationLevel: 'all' });

/** @param {Float32Array} data @param {number[]} dims */
export const tensor = (data, dims) => new ort.Tensor('float32', data, dims);

/**
 * The bytes of a file, unpacked where it is kept gzipped.
 * @param {RemoteFile} file @param {(bytes: number) => void} [arrived] @returns {Promise<Uint8Array>}
 */
export async function fetchFile({ url, packed, integrity }, arrived = () => {}) {
  const answer = await fetch(url, integrity ? { integrity, mode: 'cors', credentials: 'omit' } : {});
  if (!answer.ok || !answer.body) throw new Error(`${url.split('/').pop()} cannot be loaded (${answer.status}); reload the page`);
  const counted = answer.body.pipeThrough(new TransformStream({
    transform(chunk, out) {
      arrived(chunk.byteLength);
      out.enqueue(chunk);
    },
  }));
  const stream = packed ? counted.pipeThrough(new DecompressionStream('gzip')) : counted;
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
