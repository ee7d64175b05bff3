// The pose coach: asks for one pose after the other and takes a frame by itself when the face is there, sharp and still.
/** @typedef {import('./template_file.js').Sample} Sample */

export const BINS = {
  frontal: { ask: 'Look straight into the camera', is: (yaw, pitch) => Math.abs(yaw) < 15 && Math.abs(pitch) < 15 },
  left: { ask: 'Turn your head to your left', is: yaw => yaw >= 25 },
  right: { ask: 'Turn your head to your right', is: yaw => yaw <= -25 },
  up: { ask: 'Lift your chin', is: (yaw, pitch) => Math.abs(yaw) < 25 && pitch >= 15 },
  down: { ask: 'Lower your chin', is: (yaw, pitch) => Math.abs(yaw) < 25 && pitch <= -15 },
};
export const EACH = 2; // frames of a pose
const CONFIDENT = 0.95, LARGE = 60, SHARP = 30; // sharp crops: 32 and more on 99 of 100 photos of LFW, blurred by 1.5 px under 27
const STILL = 8, PAUSE = 400; // degrees since the frame before; ms between two that are taken

export class Coach {
  constructor() {
    this.samples = /** @type {Sample[]} */ ([]);
    this.active = false;
    this.last = 0;
    this.before = /** @type {any} */ (null);
  }

  /** The first pose that still lacks frames; '' when all are there. */
  get wanted() {
    return Object.keys(BINS).find(bin => this.count(bin) < EACH) ?? '';
  }

  count(bin) {
    return this.samples.filter(sample => sample.bin === bin).length;
  }

  /**
   * Take the frame if it fills a pose that is missing. @returns {string} what to do now
   * @param {any} seen a frame's answer @param {number} now ms
   */
  see({ face, sharpness, embedding, side }, now) {
    if (!this.wanted) {
      this.active = false;
      return 'All poses are there.';
    }
    const { ask } = BINS[this.wanted], before = this.before;
    this.before = face;
    if (!face) return `${ask}: no face is seen.`;
    if (side < LARGE) return 'Come closer to the camera.';
    const { yaw, pitch } = face.head;
    const bin = Object.keys(BINS).find(name => this.count(name) < EACH && BINS[name].is(yaw, pitch));
    if (!bin) return `${ask}.`;
    if (face.confidence < CONFIDENT) return `${ask}: the face is not clear.`;
    if (sharpness < SHARP) return 'The picture is blurred: hold still, or give more light.';
    if (!before || Math.abs(before.head.yaw - yaw) > STILL) return 'Hold still.';
    if (now - this.last < PAUSE) return 'Hold still.';
    this.last = now;
    this.samples.push({ bin, yaw, pitch, pose: face.pose, embedding: Array.from(embedding) });
    if (!this.wanted) this.active = false;
    return this.wanted ? `${BINS[this.wanted].ask}.` : 'All poses are there.';
  }
}
