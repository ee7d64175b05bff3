// Verifies a visitor's ONNX model and measures it over the drawn faces: in a worker and a runtime of its own, so that
// whatever the file does, it ends with the worker.
import { readCard } from './card_file.js';
import { embed } from './embedder.js';
import { cropOfRow, openFaces } from './faces.js';
import { readOnnx } from './onnx_file.js';
import { asModel, short } from './onnx_model.js';
import { direction, matrixOf } from './pose_matrix.js';
import { loadRuntime, openSession } from './runtime.js';

const MAX_BYTES = 100e6, MAX_CARD_BYTES = 10e6, CARD_KEY = 'card', TOLD_EACH = 100; // ms
const UNKNOWN_OPERATOR = /find an implementation|No Op registered|not a registered function|unsupported data type/i;

/** @param {string} stage words @param {number} done @param {number} total */
const tell = (stage, done, total) => postMessage({ stage, done, total });

/**
 * The file and its card, as far as that can be seen without running it.
 * @param {File} file @param {File|null} cardFile @returns {Promise<{encoded: Uint8Array, card: import('./types.js').Card}>}
 */
export async function verified(file, cardFile) {
  if (file.size > MAX_BYTES) throw new Error(`${file.name}: has ${(file.size / 1e6).toFixed(0)} MB, more than the ${MAX_BYTES / 1e6} MB that this page takes; choose a smaller model`);
  if (cardFile && cardFile.size > MAX_CARD_BYTES) throw new Error(`${cardFile.name}: has more than ${MAX_CARD_BYTES / 1e6} MB, and no card has; choose the .json file beside the model`);
  const encoded = new Uint8Array(await file.arrayBuffer());
  let held;
  try {
    held = readOnnx(encoded);
  } catch {
    throw new Error(`${file.name}: is not an ONNX file, or is cut off; choose a file that ends in .onnx, or export it again`);
  }
  const [beside] = held.external;
  if (beside !== undefined) throw new Error(`${file.name}: keeps weights in a second file (${beside.slice(0, 80)}), which the browser cannot open; export it as one file`);
  const inside = held.metadata.get(CARD_KEY);
  if (!cardFile && inside === undefined)
    throw new Error(`${file.name}: holds no card, so nobody knows how it wants its faces; choose its card (.json) too, or make one with python -m sfpn make-card`);
  const card = cardFile ? readCard(await cardFile.text(), cardFile.name) : readCard(/** @type {string} */ (inside), `the card inside ${file.name}`);
  if (card.weights_sha256 && globalThis.crypto?.subtle && (await sha256(encoded)) !== card.weights_sha256)
    throw new Error(`${file.name}: is not the file that its card describes (SHA-256 differs); it is damaged, or the card is another's`);
  return { encoded, card };
}

async function sha256(bytes) {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return [...hash].map(byte => byte.toString(16).padStart(2, '0')).join('');
}

async function opened({ name }, encoded, card) {
  let session;
  try {
    session = await openSession(encoded);
  } catch (error) {
    const why = UNKNOWN_OPERATOR.test(String(error?.message)) ? 'uses an operator that ONNX Runtime has not in this browser' : 'cannot be opened by ONNX Runtime in this browser';
    throw new Error(`${name}: ${why} (${short(error)}); export it with standard operators in float32`);
  }
  return asModel(session, card, name);
}

/** Counts the bytes of some files as they come. */
function counter(stage, files) {
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  tell(stage, 0, total);
  return bytes => tell(stage, (done += bytes), total);
}

async function measure({ runtime, faces, model: file, card: cardFile }) {
  const { encoded, card } = await verified(file, cardFile);
  await loadRuntime(runtime, counter('Loading ONNX Runtime', Object.values(runtime)));
  const model = await opened(file, encoded, card);
  const { rows, references, pictures } = await openFaces(faces, counter('Loading the drawn faces', Object.values(faces)));
  const samples = [], began = performance.now();
  for (let i = 0, told = 0; i < rows.length; i++) {
    const { identity, pose, template, box } = rows[i];
    const [embedding] = await embed(model, [await cropOfRow(rows[i], pictures[i], card)]);
    samples.push({ identity, pose, template, acquired: box !== null, embedding: direction(embedding) });
    if (performance.now() - told < TOLD_EACH) continue;
    told = performance.now();
    tell('Embedding the drawn faces', i + 1, rows.length);
  }
  const milliseconds = (performance.now() - began) / rows.length;
  const cells = matrixOf(samples, share => tell('Comparing them', share, 1));
  const { name, title } = card, people = new Set(rows.map(({ identity }) => identity)).size;
  const counts = { faces: rows.length, people, notFound: rows.filter(({ box }) => !box).length };
  return { own: { name, title, cells }, references, milliseconds, bytes: file.size, descriptorSize: model.descriptorSize, ...counts };
}

new PerformanceObserver(list => {
  postMessage({ requested: list.getEntries().map(({ name, startTime }) => ({ name, at: performance.timeOrigin + startTime })) });
}).observe({ type: 'resource', buffered: true });

onmessage = async ({ data }) => {
  try {
    postMessage({ result: await measure(data) });
  } catch (error) {
    postMessage({ error: error.message || String(error) });
  }
};
