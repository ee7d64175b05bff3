// Memory that is known to be free is given back at once: a worker's garbage is collected late, and has megabytes.

/** Nothing can be read from the array afterwards. @param {{buffer: ArrayBufferLike}} array of a buffer of its own */
export function giveBack({ buffer }) {
  if (buffer.byteLength) structuredClone(buffer, { transfer: [/** @type {any} */ (buffer)] });
}
