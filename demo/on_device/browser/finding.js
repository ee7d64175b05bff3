// The faces of a photo whichever way it was turned, or why there is none. As sfpn/photos/finding.py.
import { detect, isPanorama, reduced, smallestFaceSearched } from './detector.js';
import { giveBack } from './memory.js';
import { turnClockwise } from './resample.js';
import { UNSURE, lookAgain, lookCloser } from './second_look.js';
/** @typedef {import('./types.js').Picture} Picture @typedef {import('./types.js').Face} Face */

const SURE = 0.998, MIN_TURNED = 0.95, SURER = 3, DARK = 40, FLAT = 12;

/**
 * @param {any} networks @param {Picture} picture
 * @returns {Promise<{picture: Picture, faces: Face[], turned: number}>} upright, and its faces in pixels of it
 */
export async function findFaces(networks, picture) {
  let faces = await detect(networks, picture), best = { picture, faces, turned: 0 };
  const doubt = doubtOf(faces);
  if (doubt <= 1 - SURE) return best;
  let least = Math.min(1 - MIN_TURNED, doubt / SURER);
  for (const turned of [90, 180, 270]) {
    const other = turnClockwise(picture, turned);
    faces = await detect(networks, other);
    const isBetter = doubtOf(faces) <= least, worse = isBetter ? best.picture : other;
    if (worse !== picture) giveBack(worse.data);
    if (!isBetter) continue;
    least = doubtOf(faces);
    best = { picture: other, faces: faces.map(face => ({ ...face, turned })), turned };
  }
  const { turned } = best;
  faces = await lookedAtAgain(networks, best.picture, best.faces);
  return { ...best, faces: faces.map(face => ({ ...face, turned })) };
}

/** The faces of an upright photo, after another look where there is none or no sure one. */
async function lookedAtAgain(networks, picture, faces) {
  if (!faces.length) return isPanorama(picture) ? [] : lookAgain(networks, picture);
  return doubtOf(faces) > 1 - UNSURE ? lookCloser(networks, picture, faces) : faces;
}

const doubtOf = faces => 1 - Math.max(0, ...faces.map(face => face.confidence));

/** A clause for a photo without a face, with the remedy. @param {Picture} picture */
export function whyNoFace(picture) {
  const { data } = reduced(picture, 256), grey = new Float64Array(data.length / 4);
  for (let i = 0; i < grey.length; i++) grey[i] = 0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2];
  grey.sort();
  const low = grey[Math.round(0.01 * (grey.length - 1))], high = grey[Math.round(0.99 * (grey.length - 1))];
  if (high - low < FLAT) return 'no face was found: the photo shows hardly anything but one colour; give another photo';
  if (high < DARK)
    return `no face was found: the photo is almost black (its lights reach ${high.toFixed(0)} of 255); give a brighter photo`;
  return `no face was found, upright or turned, of ${smallestFaceSearched(picture).toFixed(0)} px or more; ` +
    'give a photo in which the face is larger and not covered';
}
