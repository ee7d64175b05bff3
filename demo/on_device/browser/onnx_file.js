// What an ONNX file says about itself, before any of it is run: its card, the files it needs, its kinds of operators.
// Only as much of Protocol Buffers is read as that takes (onnx.proto3 has the numbers of the fields).
const VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5;
const MODEL = { irVersion: 1, graph: 7, opset: 8, metadata: 14 }, GRAPH = { node: 1, initializer: 5, sparse: 15 };
const NODE = { attribute: 5 }, ATTRIBUTE = { tensor: 5, graph: 6, tensors: 10, graphs: 11 };
const TENSOR = { external: 13 }, SPARSE = { values: 1, indices: 2 }, ENTRY = { key: 1, value: 2 };
const DEEPEST = 20; // graphs inside of graphs
const text = new TextDecoder();

/**
 * @param {Uint8Array} bytes
 * @returns {{metadata: Map<string, string>, external: string[]}} external: names of files that hold some of its weights
 * @throws {Error} without a message where the bytes are no ONNX file
 */
export function readOnnx(bytes) {
  const metadata = new Map(), external = new Set(), seen = new Set();
  for (const [field, value] of fieldsOf(bytes)) {
    seen.add(field);
    if (field === MODEL.graph) readGraph(value, external, 0);
    else if (field === MODEL.metadata) metadata.set(...readEntry(value));
  }
  if (![MODEL.irVersion, MODEL.graph, MODEL.opset].every(field => seen.has(field))) throw new Error();
  return { metadata, external: [...external] };
}

/** The fields of a message: [number, value], where a value is a number or the bytes of what it holds. */
function* fieldsOf(bytes) {
  if (!(bytes instanceof Uint8Array)) throw new Error();
  const view = { bytes, at: 0 };
  while (view.at < bytes.length) {
    const key = varint(view), kind = key % 8;
    yield [Math.floor(key / 8), valueOf(view, kind)];
  }
}

function valueOf(view, kind) {
  if (kind === VARINT) return varint(view);
  if (![FIXED64, BYTES, FIXED32].includes(kind)) throw new Error();
  const length = kind === BYTES ? varint(view) : kind === FIXED64 ? 8 : 4, start = view.at;
  view.at += length;
  if (view.at > view.bytes.length) throw new Error();
  return view.bytes.subarray(start, view.at);
}

function varint(view) {
  for (let value = 0, times = 1, count = 0; count < 10; count++, times *= 128) {
    if (view.at >= view.bytes.length) break;
    const byte = view.bytes[view.at++];
    value += (byte % 128) * times;
    if (byte < 128) return value;
  }
  throw new Error();
}

function readGraph(bytes, external, depth) {
  if (depth > DEEPEST) throw new Error();
  for (const [field, value] of fieldsOf(bytes)) {
    if (field === GRAPH.initializer) readTensor(value, external);
    else if (field === GRAPH.sparse) readSparse(value, external);
    else if (field === GRAPH.node)
      for (const [inNode, attribute] of fieldsOf(value)) if (inNode === NODE.attribute) readAttribute(attribute, external, depth);
  }
}

function readAttribute(bytes, external, depth) {
  for (const [field, value] of fieldsOf(bytes)) {
    if (field === ATTRIBUTE.tensor || field === ATTRIBUTE.tensors) readTensor(value, external);
    else if (field === ATTRIBUTE.graph || field === ATTRIBUTE.graphs) readGraph(value, external, depth + 1);
  }
}

function readSparse(bytes, external) {
  for (const [field, value] of fieldsOf(bytes)) if (field === SPARSE.values || field === SPARSE.indices) readTensor(value, external);
}

function readTensor(bytes, external) {
  for (const [field, value] of fieldsOf(bytes)) {
    if (field !== TENSOR.external) continue;
    const [key, named] = readEntry(value);
    if (key === 'location') external.add(named);
  }
}

/** @returns {[string, string]} */
function readEntry(bytes) {
  const entry = ['', ''];
  for (const [field, value] of fieldsOf(bytes)) if (field === ENTRY.key || field === ENTRY.value) entry[field - 1] = text.decode(value);
  return /** @type {[string, string]} */ (entry);
}
