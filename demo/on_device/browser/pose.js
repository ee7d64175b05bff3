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
  const { size, factor } = card.crop, plain = { size, mean: [0, 0, 0], scale: 1, channels: 'RGB' }, found = [];
  for (let start = 0; start < faces.length; start += BATCH) {
    const some = faces.slice(start, start + BATCH);
    const crops = some.map(({ box }) => cropSquare(picture, center(box), factor * Math.max(shorterSide(box), 1), size, 'edge'));
    const points = Float32Array.from(some.flatMap(({ box, landmarks }) => inBox(box, landmarks)));
    const { angles } = await session.run({
      pixels: tensor(planes(crops, /** @type {any} */ (plain)), [some.length, 3, size, size]),
      landmarks: tensor(points, [some.length, 5, 2]),
    });
    some.forEach((face, i) => found.push(headPose([...angles.data.subarray(4 * i, 4 * i + 4)], face.confidence, card.uncertainty)));
  }
  return found;
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
