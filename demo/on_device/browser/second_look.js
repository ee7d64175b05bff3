// A second look at photos in which no face was found, or no sure one. As sfpn/photos/second_look.py.
import { center, shorterSide } from './crop.js';
import { area, chooseFace, common, isPanorama, largestFirst, makeFace, searchPortraits, withoutRepetitions } from './detector.js';
import { giveBack } from './memory.js';
import { USUAL } from './mtcnn.js';
import { MIRRORED_LANDMARKS, estimatePoses } from './pose.js';
import { mirror, rotate } from './resample.js';
/** @typedef {import('./types.js').Picture} Picture @typedef {import('./types.js').Face} Face */

const LOWER = [0.5, 0.6, 0.6], LOWEST = [0.5, 0.5, 0.5], TURNS = [15, -15, 30, -30], SAME_FACE = 0.5, SURE = 0.9;
export const UNSURE = 0.97; // confidence of a face whose box may lie beside it

/** @param {any} networks @param {Picture} photo @returns {Promise<Face[]>} largest first, posed as in the photo */
export async function lookAgain(networks, photo) {
  const faces = await looks(networks, photo);
  const heads = await estimatePoses(networks.pose, photo, faces);
  return largestFirst(faces.map((face, i) => makeFace(face.box, face.landmarks, face.confidence, heads[i])));
}

/**
 * Faces, the main one as the surest of several looks sees it: for faces that are not sure.
 * @param {any} networks @param {Picture} photo @param {Face[]} faces @returns {Promise<Face[]>}
 */
export async function lookCloser(networks, photo, faces) {
  const main = faces[chooseFace(faces, photo)];
  if (!main || isPanorama(photo)) return faces;
  let best = main;
  for (const seen of await otherLooks(networks, photo, USUAL)) {
    const other = seen[chooseFace(seen, photo)];
    if (other && common(main, other) > 0 && other.confidence > best.confidence) best = other;
  }
  if (best === main) return faces;
  const [head] = await estimatePoses(networks.pose, photo, [{ ...best, confidence: main.confidence }]);
  return largestFirst([makeFace(best.box, best.landmarks, best.confidence, head), ...faces.filter(face => face !== main)]);
}

async function looks(networks, photo) {
  const lower = await searchPortraits(networks, photo, LOWER);
  if (lower.length) return lower;
  const seen = [await searchPortraits(networks, photo, LOWEST), ...(await otherLooks(networks, photo, LOWER))];
  return withoutRepetitions(seen.flatMap(faces => faces.filter(face => isBelieved(face, faces, seen))));
}

/** The faces that are seen in the mirror image, and in the photo turned to either side. */
async function otherLooks(networks, photo, thresholds) {
  const seen = [(await searchCopy(networks, mirror(photo), USUAL)).map(face => mirrored(face, photo.width))];
  for (const degrees of TURNS)
    seen.push((await searchCopy(networks, rotate(photo, degrees), thresholds)).map(face => turnedBack(face, degrees, photo)));
  return seen;
}

/** The copy is given up. */
async function searchCopy(networks, copy, thresholds) {
  const faces = await searchPortraits(networks, copy, thresholds);
  giveBack(copy.data);
  return faces;
}

function isBelieved(face, faces, seen) {
  const others = seen.filter(other => other !== faces).flat();
  const overlap = other => common(face, other) / Math.max(area(face) + area(other) - common(face, other), 1e-9);
  return face.confidence >= SURE || others.some(other => overlap(other) > SAME_FACE);
}

function mirrored(face, width) {
  const [left, top, right, bottom] = face.box;
  const landmarks = MIRRORED_LANDMARKS.map(i => [width - face.landmarks[i][0], face.landmarks[i][1]]);
  return { ...face, box: [width - right, top, width - left, bottom], landmarks };
}

function turnedBack(face, degrees, { width, height }) {
  const angle = (degrees * Math.PI) / 180, cos = Math.cos(angle), sin = Math.sin(angle);
  const back = ([x, y]) => {
    const u = x - width / 2, v = y - height / 2;
    return [cos * u - sin * v + width / 2, sin * u + cos * v + height / 2];
  };
  const [x, y] = back(center(face.box)), half = shorterSide(face.box) / 2;
  return { ...face, box: [x - half, y - half, x + half, y + half], landmarks: face.landmarks.map(back) };
}
