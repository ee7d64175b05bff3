// The drawn people over whom a visitor's model is measured: fetched when asked for, each cut out as the card says.
import { cropFace } from './crop.js';
import { decode } from './decode.js';
import { resize } from './resample.js';
import { fetchFile } from './runtime.js';
/** @typedef {import('./types.js').Card} Card @typedef {import('./types.js').Picture} Picture @typedef {import('./runtime.js').RemoteFile} RemoteFile */
/**
 * @typedef {{identity: string, pose: string, template: string, bytes: number, box: number[]|null,
 *   landmarks: number[][]|null}} Row `box`: null where the detector found no face
 * @typedef {{name: string, title: string, cells: any[]}} Reference the report of a model that ships, on the same faces
 */

/**
 * @param {{index: RemoteFile, pictures: RemoteFile}} files @param {(bytes: number) => void} arrived
 * @returns {Promise<{rows: Row[], references: Reference[], pictures: Blob[]}>}
 */
export async function openFaces({ index, pictures }, arrived) {
  const [described, encoded] = await Promise.all([index, pictures].map(file => fetchFile(file, arrived)));
  const { rows, references } = JSON.parse(new TextDecoder().decode(described));
  let at = 0;
  return { rows, references, pictures: rows.map(({ bytes }) => new Blob([/** @type {any} */ (encoded.subarray(at, (at += bytes)))])) };
}

/** As a dataset is embedded: the whole picture where no face was found. @param {Row} row @param {Blob} encoded @param {Card} card @returns {Promise<Picture>} */
export async function cropOfRow({ box, landmarks, identity }, encoded, { preprocess }) {
  const picture = await decode(encoded, `a picture of ${identity}`), { size } = preprocess;
  if (!box || !landmarks) return resize(picture, size, size, 'lanczos');
  return cropFace(picture, /** @type {any} */ ({ box, landmarks }), preprocess);
}
