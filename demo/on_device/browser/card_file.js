// A stranger's card -> a card whose fields hold what they should, or one sentence. As sfpn/network/card.py.
/** @typedef {import('./types.js').Card} Card */

const MAX_SIZE = 1024, MAX_DESCRIPTOR = 65_536, MAX_NAME = 200, MAX_FACTOR = 100;
const GEOMETRIES = ['box', 'five_point'], PADDINGS = ['edge', 'black'], CHANNELS = ['RGB', 'BGR'];
const PREPROCESS = ['geometry', 'size', 'crop_factor', 'padding', 'mean', 'scale', 'channels'];

const isNumber = value => typeof value === 'number' && Number.isFinite(value);
const isCount = value => Number.isSafeInteger(value) && value >= 0;
const isObject = value => typeof value === 'object' && value !== null && !Array.isArray(value);
const isVector = value => Array.isArray(value) && value.length >= 1 && value.length <= MAX_DESCRIPTOR && value.every(isNumber);
const within = (value, above, most) => isNumber(value) && value > above && value <= most;

/**
 * @param {string} text JSON @param {string} name of the file, for messages
 * @returns {Card} with the fields that the browser uses, all there
 */
export function readCard(text, name) {
  const refuse = why => {
    throw new Error(`${name}: not a valid card (${why}); make one with python -m sfpn make-card`);
  };
  let record;
  try {
    record = JSON.parse(text);
  } catch {
    refuse('it is not JSON');
  }
  if (!isObject(record)) refuse('it is not a JSON object');
  checkTexts(record, refuse);
  checkArchitecture(record.architecture, refuse);
  checkPreprocess(record.preprocess, refuse);
  checkVectors(record, refuse);
  const preprocess = { crop_factor: 1.35, padding: 'edge', channels: 'RGB', ...record.preprocess };
  const { title, licence, architecture, weights_sha256 = '', parameters = null, mirror_sum = false } = record;
  const { descriptor_mean = null, pose_direction = null } = record;
  const found = { name: record.name, title, licence, architecture, weights_sha256, parameters, mirror_sum, descriptor_mean, pose_direction, preprocess };
  return { ...found, operating_points: {}, histograms: {}, surface: null };
}

function checkTexts(record, refuse) {
  for (const field of ['name', 'title', 'licence']) {
    if (!(field in record)) refuse(`${field} is missing`);
    if (typeof record[field] !== 'string') refuse(`${field} must be a text`);
  }
  if (!record.name.trim() || record.name.length > MAX_NAME || /\p{C}/u.test(record.name)) refuse(`name must be printable and of at most ${MAX_NAME} letters`);
  const { weights_sha256: hash = '', parameters = null } = record;
  if (hash !== '' && !/^[0-9a-f]{64}$/.test(hash)) refuse('weights_sha256 must be a SHA-256 in hexadecimal');
  if (parameters !== null && !isCount(parameters)) refuse('parameters must be a count');
}

function checkArchitecture(architecture, refuse) {
  if (!isObject(architecture)) refuse('architecture is missing');
  const { type, descriptor_size: size, output, external_data: external } = architecture;
  if (type !== 'onnx') refuse('architecture.type is not onnx: it is the card of other weights, of which the ONNX file has one of its own');
  if (size !== undefined && !(isCount(size) && within(size, 0, MAX_DESCRIPTOR))) refuse(`architecture.descriptor_size must be a whole number of 1 to ${MAX_DESCRIPTOR}`);
  if (output !== undefined && output !== null && typeof output !== 'string') refuse('architecture.output must be the name of an output');
  if (external && Object.keys(external).length) refuse('it names a second file with weights, which the browser cannot take: export the model as one file');
}

function checkPreprocess(preprocess, refuse) {
  if (!isObject(preprocess)) refuse('preprocess is missing');
  const unknown = Object.keys(preprocess).find(field => !PREPROCESS.includes(field));
  if (unknown) refuse(`preprocess has a field ${unknown.slice(0, 60)}, which is not known`);
  for (const field of ['geometry', 'size', 'mean', 'scale']) if (!(field in preprocess)) refuse(`preprocess.${field} is missing`);
  const { geometry, size, mean, scale, crop_factor: factor = 1.35, padding = 'edge', channels = 'RGB' } = preprocess;
  const among = (value, known, field) => known.includes(value) || refuse(`preprocess.${field} must be ${known.join(' or ')}`);
  among(geometry, GEOMETRIES, 'geometry');
  among(padding, PADDINGS, 'padding');
  among(channels, CHANNELS, 'channels');
  if (!(isCount(size) && within(size, 0, MAX_SIZE))) refuse(`preprocess.size must be 1 to ${MAX_SIZE} pixels`);
  if (!Array.isArray(mean) || mean.length !== 3 || !mean.every(isNumber)) refuse('preprocess.mean must be three numbers');
  if (!within(scale, 0, Infinity)) refuse('preprocess.scale must be above zero');
  if (!within(factor, 0, MAX_FACTOR)) refuse(`preprocess.crop_factor must be above zero and at most ${MAX_FACTOR}`);
}

function checkVectors(record, refuse) {
  for (const field of ['descriptor_mean', 'pose_direction']) {
    const vector = record[field] ?? null, size = record.architecture.descriptor_size;
    if (vector !== null && !isVector(vector)) refuse(`${field} must be a list of numbers`);
    if (vector !== null && size !== undefined && vector.length !== size) refuse(`${field} has ${vector.length} numbers, not ${size}`);
  }
  if (record.mirror_sum !== undefined && typeof record.mirror_sum !== 'boolean') refuse('mirror_sum must be true or false');
}
