// All faces of a photo: reduced or in tiles, large ones first, small ones if there is need. As sfpn/photos/detector.py.
import { center } from './crop.js';
import { giveBack } from './memory.js';
import { PYRAMID_FACTOR, USUAL, search } from './mtcnn.js';
import { estimatePoses, poseFromYaw } from './pose.js';
import { cut, reduce, resize, roundHalfEven } from './resample.js';
/** @typedef {import('./types.js').Picture} Picture @typedef {import('./types.js').Face} Face */

const PAD = 0.4, WORKING_SIZE = 960, LARGE_WORKING_SIZE = 640, REDUCING_GAP = 2;
const LARGE_FACE = 0.3, SMALL_STEPS = 4, TINY_STEPS = 6, SMALLEST_PIXELS = 12;
const PANORAMA = 3, MAX_TILES = 64, SAME_FACE = 0.5, FRAME_FACE = 0.2;

/** @param {any} networks @param {Picture} photo @returns {Promise<Face[]>} largest first */
export async function detect(networks, photo) {
  if (Math.min(photo.width, photo.height) < SMALLEST_PIXELS) return [];
  const tiles = tilesOf(photo);
  if (tiles.length === 1) {
    const first = Math.max(photo.width, photo.height) >= WORKING_SIZE ? LARGE_WORKING_SIZE : WORKING_SIZE;
    const faces = await searchAt(networks, photo, first, 0);
    return largestFirst(faces.length ? faces : await searchAt(networks, photo, WORKING_SIZE, 1));
  }
  const found = [];
  for (const tile of tiles) {
    const faces = await searchAt(networks, cut(photo, tile, 'black'), WORKING_SIZE, 1);
    found.push(...faces.map(face => moved(face, tile)).filter(face => !isCut(face, tile, photo)));
  }
  return largestFirst(withoutRepetitions(found));
}

/** Portraits, with thresholds of the caller's choice: what a second look is made of. */
export async function searchPortraits(networks, photo, thresholds) {
  const faces = await searchAt(networks, photo, WORKING_SIZE, 0, thresholds);
  return faces.length ? faces : searchAt(networks, photo, WORKING_SIZE, 1, thresholds);
}

/** @param {Picture} photo */
export const isPanorama = photo => tilesOf(photo).length > 1;

/**
 * Faces of at least the size of a step of searchSizes, in a copy whose longer side is at most so many px.
 * @param {any} networks @param {Picture} photo @param {number} longer @param {number} step @param {number[]} thresholds
 * @returns {Promise<Face[]>}
 */
export async function searchAt(networks, photo, longer, step, thresholds = USUAL) {
  const working = reduced(photo, longer), shorter = Math.min(working.width, working.height);
  const faces = await searchIn(networks, photo, working, searchSizes(shorter)[step], thresholds);
  if (working !== photo) giveBack(working.data);
  return faces;
}

/** Only faces of at least a fifth of the shorter side: in a fraction of the time. @param {Picture} frame */
export function searchFrame(networks, frame) {
  return searchIn(networks, frame, frame, Math.max(FRAME_FACE * Math.min(frame.width, frame.height), SMALLEST_PIXELS), USUAL);
}

async function searchIn(networks, photo, working, smallest, thresholds) {
  const shorter = Math.min(working.width, working.height);
  const pad = Math.ceil(PAD * Math.min(Math.max(working.width, working.height), 2 * shorter));
  const found = await search(networks, working, smallest, pad, thresholds);
  const heads = await estimatePoses(networks.pose, working, found);
  const x = photo.width / working.width, y = photo.height / working.height;
  return found.map(({ box, landmarks, confidence }, i) => makeFace(
    box.map((v, k) => v * (k % 2 ? y : x)), landmarks.map(p => [p[0] * x, p[1] * y]), confidence, heads[i]));
}

/** @returns {Face} */
export function makeFace(box, landmarks, confidence, head) {
  return { box, landmarks: landmarks.map(p => p.map(Math.fround)), confidence, head, pose: poseFromYaw(head.yaw), turned: 0 };
}

/** The photo with a longer side of at most so many px. @param {Picture} photo @param {number} longer @returns {Picture} */
export function reduced(photo, longer) {
  const divisor = searchDivisor(photo);
  if (divisor > 1) photo = reduce(photo, divisor, divisor);
  const scale = longer / Math.max(photo.width, photo.height);
  if (scale >= 1) return photo;
  const width = Math.max(1, roundHalfEven(photo.width * scale)), height = Math.max(1, roundHalfEven(photo.height * scale));
  const across = Math.trunc(photo.width / width / REDUCING_GAP) || 1, down = Math.trunc(photo.height / height / REDUCING_GAP) || 1;
  const small = across > 1 || down > 1 ? reduce(photo, across, down) : photo;
  const found = resize(small, width, height, 'box', [0, 0, photo.width / across, photo.height / down]);
  if (small !== photo && small !== found) giveBack(small.data);
  return found;
}

/** What the sides of a photo are divided by, whole squares of pixels averaged, before it is searched. @param {Picture} photo */
function searchDivisor({ width, height }) {
  const longer = Math.max(width, height);
  let divisor = 1;
  if (longer > PANORAMA * Math.min(width, height)) return divisor;
  while (longer >= 2 * divisor * WORKING_SIZE && width % (2 * divisor) === 0 && height % (2 * divisor) === 0) divisor *= 2;
  return divisor;
}

/** Smallest face sizes (px) to try in turn. @param {number} shorter side of the photo, px */
export function searchSizes(shorter) {
  const large = Math.max(LARGE_FACE * shorter, SMALLEST_PIXELS);
  return [SMALL_STEPS, TINY_STEPS].map(steps => Math.max(large * PYRAMID_FACTOR ** steps, SMALLEST_PIXELS));
}

/** Shorter side (px of the photo) of the smallest faces that are looked for. @param {Picture} photo */
export function smallestFaceSearched(photo) {
  const [left, top, right, bottom] = tilesOf(photo)[0], scale = Math.min(1, WORKING_SIZE / Math.max(right - left, bottom - top));
  return searchSizes(roundHalfEven(Math.min(right - left, bottom - top) * scale))[1] / scale;
}

function tilesOf({ width, height }) {
  const longer = Math.max(width, height), shorter = Math.min(width, height);
  if (longer <= PANORAMA * shorter) return [[0, 0, width, height]];
  const step = Math.max(shorter, Math.ceil(longer / MAX_TILES)), starts = [];
  for (let at = 0; at < longer - 2 * step; at += step) starts.push(at);
  starts.push(longer - 2 * step);
  return starts.map(at => (width === longer ? [at, 0, at + 2 * step, shorter] : [0, at, shorter, at + 2 * step]));
}

function moved(face, [dx, dy]) {
  const shifted = face.box.map((v, k) => v + (k % 2 ? dy : dx));
  return { ...face, box: shifted, landmarks: face.landmarks.map(p => [p[0] + dx, p[1] + dy]) };
}

function isCut({ box }, tile, { width, height }) {
  const whole = [0, 0, width, height];
  return box.some((v, k) => (k < 2 ? v < tile[k] : v > tile[k]) && tile[k] !== whole[k]);
}

/** @param {Face[]} faces @returns {Face[]} without those that lie on a surer one */
export function withoutRepetitions(faces) {
  const kept = [];
  for (const face of [...faces].sort((a, b) => b.confidence - a.confidence))
    if (kept.every(other => common(face, other) / Math.max(Math.min(area(face), area(other)), 1e-9) <= SAME_FACE)) kept.push(face);
  return kept;
}

/** @param {Face} face */
export const area = ({ box }) => (box[2] - box[0]) * (box[3] - box[1]);
/** Area that two boxes share. @param {Face} a @param {Face} b */
export function common({ box: a }, { box: b }) {
  const width = Math.max(Math.min(a[2], b[2]) - Math.max(a[0], b[0]), 0);
  return width * Math.max(Math.min(a[3], b[3]) - Math.max(a[1], b[1]), 0);
}

/** @param {Face[]} faces @returns {Face[]} */
export const largestFirst = faces => [...faces].sort((a, b) => area(b) - area(a));

/** Index of the large and central face. @param {Face[]} faces @param {Picture} photo */
export function chooseFace(faces, photo) {
  const ranks = faces.map(face => {
    const [x, y] = center(face.box);
    return area(face) - 2 * ((x - photo.width / 2) ** 2 + (y - photo.height / 2) ** 2);
  });
  return ranks.indexOf(Math.max(...ranks));
}
