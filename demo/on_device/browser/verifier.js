// Two sides of photos -> one comparison, or an error that says which photo and why. As sfpn/verification/verifier.py.
import { cropFace, shorterSide } from './crop.js';
import { chooseFace } from './detector.js';
import { genuineQuantile, posePair, ruleForFmr } from './decision.js';
import { dot, embed, template } from './embedder.js';
import { findFaces, whyNoFace } from './finding.js';
import { POSES } from './pose.js';
/** @typedef {import('./types.js').Picture} Picture @typedef {import('./types.js').Face} Face */
/** @typedef {{name: string, picture: Picture, faces: Face[], chosen: number}} Shot upright */

const SMALLEST_FACE = 20, STRANGER_FNMR = 0.01, SIDES = ['first', 'second'];
export const MAX_PHOTOS = 10;

/** @param {any} networks @param {Picture} given @param {string} name @returns {Promise<Shot>} */
export async function look(networks, given, name) {
  const { picture, faces } = await findFaces(networks, given);
  if (!faces.length) throw new Error(`${name}: ${whyNoFace(picture)}`);
  const chosen = chooseFace(faces, picture);
  checkChoice(name, faces, chosen);
  return { name, picture, faces, chosen };
}

/** Throws unless the face is there and large enough. */
export function checkChoice(name, faces, index) {
  if (!faces[index]) throw new Error(`${name}: there is no face ${index + 1}; it has ${faces.length}, choose 1 to ${faces.length}`);
  const side = shorterSide(faces[index].box);
  if (side < SMALLEST_FACE)
    throw new Error(`${name}: the face is only ${side.toFixed(0)} px wide, under the ${SMALLEST_FACE} px needed; ` +
      'give a photo in which it is larger');
}

/** @param {Picture} picture upright @param {Face} face @param {import('./types.js').Card} card */
export const cropOf = (picture, face, card) => cropFace(picture, face, card.preprocess);

/**
 * @param {import('./onnx_model.js').Model} model
 * @param {{name: string, face: Face, crop: Picture}[][]} sides two
 */
export async function compare(model, sides) {
  const embedded = [];
  for (const [number, side] of sides.entries()) {
    const embeddings = await embed(model, side.map(shot => shot.crop));
    checkOnePerson(model.card, SIDES[number], side, embeddings);
    const yaw = side.reduce((sum, { face }) => sum + Math.abs(face.head.yaw), 0) / side.length;
    embedded.push({ embeddings, template: template(embeddings), pose: poseOfSide(side.map(({ face }) => face.pose)), yaw });
  }
  const [first, second] = embedded, score = Math.min(Math.max(dot(first.template, second.template), -1), 1);
  return { score, pair: posePair(first.pose, second.pose), yaws: [first.yaw, second.yaw], sides: embedded };
}

/** @returns {import('./types.js').Rule} */
export const ruleOf = (card, { pair, yaws }, target) => ruleForFmr(card, pair, target, yaws);

function poseOfSide(poses) { // the most frequent; of equally frequent ones the most frontal
  const count = pose => poses.filter(each => each === pose).length;
  return POSES.reduce((best, pose) => (count(pose) > count(best) ? pose : best));
}

function checkOnePerson(card, name, side, embeddings) {
  side.forEach((shot, i) => {
    const others = side.map((_, j) => j).filter(j => j !== i);
    const scores = others.map(j => dot(embeddings[i], embeddings[j]));
    const bounds = others.map(j => genuineQuantile(card, posePair(shot.face.pose, side[j].face.pose), STRANGER_FNMR));
    if (others.length && bounds.every((bound, k) => bound !== null && scores[k] < bound))
      throw new Error(`${shot.name}: shows another person than the other photos of the ${name} side ` +
        `(highest score ${Math.max(...scores).toFixed(2)}); give photos of one person on each side`);
  });
}
