// One side: photos from files, camera or clipboard, the faces found in them, and a choice among those.
import { empty, fill, html, pictureOf, svg } from './dom.js';
import { MAX_PHOTOS } from './verifier.js';
import { POSE_LABELS, headWords, turnedWords } from './wording.js';

const FIRST = 'Drop a photo here, paste one, or click to choose', MORE = 'Add another photo of this person';
const CAMERA_WATCH = 500; // ms

export class Side {
  /**
   * @param {string} letter @param {(blob: Blob, name: string) => Promise<any>} look finds the faces of a photo
   * @param {(shot: any, face: number) => Promise<void>} choose @param {() => void} changed @param {(shot: any) => void} forget
   */
  constructor(letter, look, choose, changed, forget) {
    Object.assign(this, { letter, look, choose, changed, forget });
    this.shots = /** @type {any[]} */ ([]);
    this.round = 0; // photos that were given before it was cleared are not shown any more
    this.photos = html('div', { class: 'photos' });
    this.notice = html('div', { 'aria-live': 'polite' });
    this.input = html('input', { type: 'file', accept: 'image/*', multiple: true, class: 'od-file', 'aria-label': `Photos of person ${letter}`, onchange: () => this.takeFiles(this.input.files) });
    this.video = html('video', { playsinline: true, muted: true, class: 'od-video', hidden: true });
    this.shutter = html('button', { type: 'button', hidden: true, onclick: () => this.takePicture() }, 'Take the photo');
    this.invitation = html('span', {}, FIRST);
    this.drop = html('label', { class: 'od-drop' }, this.invitation, this.input);
    const camera = html('button', { type: 'button', onclick: () => this.toggleCamera() }, 'Camera');
    const clear = html('button', { type: 'button', onclick: () => this.clear() }, 'Clear');
    this.element = html('section', { class: 'od-side', tabindex: 0, 'aria-label': `Person ${letter}` },
      html('p', { class: 'side-title' }, `Person ${letter} `, html('span', {}, `one photo, or up to ${MAX_PHOTOS} of the same person`)),
      this.photos, this.drop, this.video, html('div', { class: 'od-buttons' }, this.shutter, camera, clear), this.notice);
    this.acceptDrops();
  }

  acceptDrops() {
    this.element.addEventListener('dragover', event => event.preventDefault());
    this.element.addEventListener('drop', event => {
      event.preventDefault();
      event.stopPropagation();
      this.takeFiles(event.dataTransfer?.files ?? []);
    });
  }

  /** @param {ArrayLike<File>} files */
  async takeFiles(files) {
    await this.add([...files].map(file => ({ blob: file, name: file.name || 'photo' })));
    this.input.value = '';
  }

  /** @param {{blob: Blob, name: string}[]} photos */
  async add(photos) {
    const refused = [], { round } = this;
    this.element.setAttribute('aria-busy', 'true');
    for (const { blob, name } of photos) {
      try {
        if (this.shots.length >= MAX_PHOTOS) throw new Error(`${name}: a side takes at most ${MAX_PHOTOS} photos; remove one first`);
        this.say([`Looking at ${name} …`], true);
        const shot = await this.look(blob, name);
        if (round !== this.round) return this.dismiss(shot);
        this.shots.push({ ...shot, drawn: pictureOf(shot.preview, { 'aria-hidden': 'true' }) });
      } catch (error) {
        if (round !== this.round) return;
        refused.push(error.message);
      }
      this.draw();
    }
    this.element.removeAttribute('aria-busy');
    this.say(refused);
    this.changed();
  }

  /** A photo that came after the side was cleared. */
  dismiss(shot) {
    shot.preview.close();
    this.forget(shot);
  }

  /** @param {string[]} sentences @param {boolean} [quiet] */
  say(sentences, quiet = false) {
    fill(this.notice, ...sentences.map(words => html('div', quiet ? { class: 'quiet' } : { class: 'notice', role: 'alert' }, words)));
  }

  remove(shot) {
    empty(shot.drawn);
    this.forget(shot);
    this.shots = this.shots.filter(other => other !== shot);
    this.draw();
  }

  clear() {
    this.round++;
    this.element.removeAttribute('aria-busy');
    this.stopCamera();
    for (const shot of this.shots) this.remove(shot);
    this.say([]);
    this.changed();
  }

  async choosePicture(shot, face) {
    try {
      await this.choose(shot, face);
      shot.chosen = face;
      this.say([]);
    } catch (error) {
      this.say([error.message]);
    }
    this.draw();
    this.photos.children[this.shots.indexOf(shot)]?.querySelector('.face.chosen')?.focus(); // drawn anew, and still the one in use
    this.changed();
  }

  async toggleCamera() {
    if (this.stream) return this.stopCamera();
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, facingMode: 'user' } });
    } catch (error) {
      return this.say([`The camera cannot be used (${error.message}): allow it in the browser, or choose a file.`]);
    }
    this.video.srcObject = this.stream;
    await this.video.play();
    this.video.hidden = this.shutter.hidden = false;
    this.watchCamera(this.stream);
  }

  /** The camera goes off when it is not seen any more. */
  async watchCamera(stream) {
    while (this.stream === stream) {
      if (document.hidden || !this.element.checkVisibility()) return this.stopCamera();
      await new Promise(resolve => setTimeout(resolve, CAMERA_WATCH));
    }
  }

  stopCamera() {
    this.stream?.getTracks().forEach(track => track.stop());
    this.stream = null;
    this.video.hidden = this.shutter.hidden = true;
  }

  async takePicture() {
    const canvas = new OffscreenCanvas(this.video.videoWidth, this.video.videoHeight);
    /** @type {any} */ (canvas.getContext('2d')).drawImage(this.video, 0, 0);
    this.stopCamera();
    await this.add([{ blob: await canvas.convertToBlob({ type: 'image/png' }), name: 'camera' }]);
  }

  draw() {
    this.photos.classList.toggle('many', this.shots.length > 1);
    this.drop.classList.toggle('od-more', this.shots.length > 0);
    this.invitation.textContent = this.shots.length ? MORE : FIRST;
    fill(this.photos, ...this.shots.map(shot => this.figure(shot)));
  }

  figure(shot) {
    const [width, height] = shot.size;
    const faces = shot.faces.map((face, i) => this.face(shot, face, i));
    return html('figure', {},
      html('div', { class: 'od-photo' }, shot.drawn,
        svg('svg', { viewBox: `0 0 ${width} ${height}`, role: 'group', 'aria-label': shot.name }, ...faces)),
      html('button', { class: 'remove', type: 'button', 'aria-label': `Remove ${shot.name}`, onclick: () => { this.remove(shot); this.input.focus(); this.changed(); } }, '×'),
      html('figcaption', {}, caption(shot)));
  }

  face(shot, { box: [left, top, right, bottom], landmarks, pose }, index) {
    const chosen = index === shot.chosen, side = Math.min(right - left, bottom - top);
    const label = `Face ${index + 1} of ${shot.faces.length}, ${POSE_LABELS[pose]}${chosen ? ', in use' : ''}`;
    const dots = chosen ? landmarks.map(([x, y]) => svg('circle', { cx: x, cy: y, r: side / 45 })) : [];
    const act = () => this.choosePicture(shot, index);
    return svg('g', { class: `face${chosen ? ' chosen' : ''}`, role: 'button', tabindex: 0, 'aria-pressed': chosen ? 'true' : 'false', 'aria-label': label, onclick: act, onkeydown: event => { if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); act(); } } },
      svg('title', {}, label),
      svg('rect', { x: left, y: top, width: right - left, height: bottom - top, rx: side / 30 }), ...dots);
  }
}

function caption({ faces, chosen }) {
  const face = faces[chosen], label = POSE_LABELS[face.pose];
  const words = [`${label[0].toUpperCase()}${label.slice(1)}, ${headWords(face.head)}`];
  if (faces.length > 1) words.push(`face ${chosen + 1} of ${faces.length}; click another to use it`);
  if (face.turned) words.push(turnedWords(face.turned));
  return words.join(' · ');
}
