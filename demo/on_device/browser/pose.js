// Where a face looks: yaw, pitch and roll, each with what it can be wrong by. As sfpn/photos/pose.py.
import { center, cropSquare, planes, shorterSide } from './crop.js';
import { tensor } from './runtime.js';
/** @typedef {import('./types.js').Picture} Picture @typedef {import('./types.js').HeadPose} HeadPose */

export const MIRRORED_LANDMARKS = [1, 0, 2, 4, 3];
export const POSES = ['frontal', 'three_quarter', 'profile'];
const FRONTAL_BELOW = 20, PROFILE_FROM = 65, BATCH = 64;

/** @param {number} yaw degrees */
export function poseFromYaw(yaw) {
  const turned = Math.abs(yaw);
  return turned < FRONTAL_BELOW ? 'frontal' : turned < PROFILE_FROM ? 'three_quarter' : 'profile';
}

/**
 * @param {{session: any, card: any}} network @param {Picture} picture
 * @param {{box: number[], landmarks: number[][], confidence: number}[]} faces in pixels of the picture
 * @returns {Promise<HeadPose[]>}
 */
export async function estimatePoses({ session, card }, picture, faces) {
  const found = [];
  for (let start = 0; start < faces.length; start += BATCH) {
    const some = faces.slice(start, start + BATCH), seen = await seenFrom(session, card.crop, picture, some);
    const doubtful = some.map((_, i) => i).filter(i => length(seen[i]) < card.second_view.below_length);
    for (const side of doubtful.length ? [-1, 1] : []) {
      const boxes = doubtful.map(i => ({ ...some[i], box: boxAside(some[i].box, side, card.second_view) }));
      const others = await seenFrom(session, card.crop, picture, boxes);
      doubtful.forEach((i, k) => { if (length(others[k]) > length(seen[i])) seen[i] = others[k]; });
    }
    some.forEach((face, i) => found.push(headPose(seen[i], face.confidence, card.uncertainty)));
  }
  return found;
}

/** What the network answers for each face, [2 sin yaw, 2 cos yaw, 2 sin pitch, 2 sin roll]. */
async function seenFrom(session, { size, factor }, picture, faces) {
  const plain = { size, mean: [0, 0, 0], scale: 1, channels: 'RGB' };
  const crops = faces.map(({ box }) => cropSquare(picture, center(box), factor * Math.max(shorterSide(box), 1), size, 'edge'));
  const points = Float32Array.from(faces.flatMap(({ box, landmarks }) => inBox(box, landmarks)));
  const { angles } = await session.run({
    pixels: tensor(planes(crops, /** @type {any} */ (plain)), [faces.length, 3, size, size]),
    landmarks: tensor(points, [faces.length, 5, 2]),
  });
  return faces.map((_, i) => [...angles.data.subarray(4 * i, 4 * i + 4)]);
}

const length = ([sinYaw, cosYaw]) => Math.hypot(sinYaw, cosYaw) / 2;

function boxAside(box, side, { aside, wider }) {
  const [x, y] = center(box), shorter = Math.max(shorterSide(box), 1), half = (wider * shorter) / 2, at = x + side * aside * shorter;
  return [at - half, y - half, at + half, y + half];
}

function inBox(box, landmarks) {
  const [x, y] = center(box), unit = Math.max(shorterSide(box), 1);
  return landmarks.flatMap(p => [(p[0] - x) / unit, (p[1] - y) / unit]);
}

function headPose([sinYaw, cosYaw, sinPitch, sinRoll], confidence, table) {
  const degrees = radians => (radians * 180) / Math.PI, limited = (v, most) => Math.min(Math.max(v, -most), most);
  const yaw = limited(degrees(Math.atan2(sinYaw, cosYaw)), 90), unsure = confidence < table.unsure.below_confidence;
  const off = angle => (unsure ? table.unsure[`times_${angle}`] : 1) * interpolated(Math.abs(yaw), table.abs_yaw_degrees, table[angle]);
  return {
    yaw,
    pitch: degrees(Math.asin(limited(sinPitch / 2, 1))),
    roll: degrees(Math.asin(limited(sinRoll / 2, 1))),
    yawUncertainty: off('yaw_degrees'),
    pitchUncertainty: off('pitch_degrees'),
  };
}

/** numpy.interp */
function interpolated(x, at, values) {
  if (x <= at[0]) return values[0];
  const i = at.findIndex(v => v >= x);
  if (i < 0) return values[values.length - 1];
  return values[i - 1] + ((values[i] - values[i - 1]) * (x - at[i - 1])) / (at[i] - at[i - 1]);
}
