// The camera against an enrolled template, frame by frame: the worker looks at one frame while the page stays free.
import { BINS, Coach, EACH } from './coach.js';
import { decide, posePair, ruleForFmr } from './decision.js';
import { fill, html } from './dom.js';
import { dot, template } from './embedder.js';
import { StripChart, needle } from './gauges.js';
import { POSES } from './pose.js';
import { readTemplate, templateFile } from './template_file.js';
import { headline, percent } from './wording.js';

const OFF = 'camera off', FRAME_MS = 1000 / 15, FRAME_SIDE = 480; // px that a frame is handed over with

export class Live {
  /** @param {import('./client.js').Client} client @param {() => {model: string, target: number}} chosen @param {() => void} begin */
  constructor(client, chosen, begin) {
    this.client = client;
    this.chosen = chosen;
    this.begin = begin;
    this.coach = new Coach();
    this.chart = new StripChart();
    this.build();
  }

  build() {
    const button = (words, act, id) => html('button', { type: 'button', onclick: act, id }, words);
    this.video = html('video', { playsinline: true, muted: true });
    this.gauge = html('div', { class: 'od-gauge' }, needle(null, OFF));
    this.strip = html('div', {}, this.chart.draw());
    const key = html('p', { class: 'quiet' }, html('span', { class: 'od-swatch od-line-key' }), ' score against the template, frame by frame; dashed: the threshold for the pose of the moment');
    this.said = html('p', { class: 'od-said', 'aria-live': 'polite' });
    this.verdict = html('p', { class: 'od-live-verdict' });
    this.rate = html('p', { class: 'quiet', id: 'od-rate' });
    this.bins = html('ul', { class: 'od-bins' });
    this.worth = html('div', { class: 'quiet' });
    this.start = button('Start the camera', () => (this.stream ? this.stop() : this.run()), 'od-start');
    const open = html('input', { type: 'file', accept: 'application/json,.json', id: 'od-open', onchange: event => this.open(event.target) });
    this.element = html('details', { class: 'od-part od-live' }, html('summary', {}, 'Live: your camera against a template of yourself'),
      html('p', { class: 'quiet' }, 'The camera’s pictures go to this page’s worker and nowhere else. A template is kept only where you save it.'),
      html('div', { class: 'od-buttons' }, this.start, button('Enrol', () => this.enrol(), 'od-enrol'),
        button('Save the template', () => this.save(), 'od-save'), html('label', { class: 'od-open' }, 'Open a template ', open)),
      this.said,
      html('div', { class: 'od-screen' }, html('div', { class: 'od-picture' }, this.video, this.gauge), html('div', {}, this.verdict, this.strip, key, this.rate, this.bins, this.worth)));
    this.showBins();
  }

  say(words) {
    this.said.textContent = words;
  }

  async run() {
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 }, facingMode: 'user' } });
    } catch (error) {
      return this.say(`The camera cannot be used (${error.message}): allow it in the browser.`);
    }
    this.begin();
    this.video.srcObject = this.stream;
    await this.video.play();
    this.start.textContent = 'Stop the camera';
    this.say(this.coach.samples.length ? '' : 'Press Enrol to make a template, or open one.');
    this.loop();
  }

  stop() {
    this.stream?.getTracks().forEach(track => track.stop());
    this.stream = null;
    this.coach.active = false;
    this.start.textContent = 'Start the camera';
    fill(this.gauge, needle(null, OFF));
    this.verdict.textContent = this.rate.textContent = '';
  }

  async loop() {
    const { stream } = this;
    let interval = 0;
    while (this.stream === stream && stream) {
      const began = performance.now();
      if (document.hidden || !this.element.checkVisibility()) return this.stop();
      try {
        const scale = Math.min(1, FRAME_SIDE / Math.max(this.video.videoWidth, this.video.videoHeight, 1));
        const bitmap = await createImageBitmap(this.video, { resizeWidth: Math.round(this.video.videoWidth * scale), resizeHeight: Math.round(this.video.videoHeight * scale) });
        const seen = await this.client.ask('frame', { bitmap, model: this.chosen().model }, [bitmap]);
        if (this.stream === stream) this.show(seen);
      } catch (error) {
        this.say(error.message);
      }
      const left = FRAME_MS - (performance.now() - began);
      await new Promise(resolve => setTimeout(resolve, Math.max(0, left)));
      interval = interval ? 0.9 * interval + 0.1 * (performance.now() - began) : performance.now() - began;
      this.framesPerSecond = 1000 / interval;
      this.rate.textContent = `${this.framesPerSecond.toFixed(1)} frames a second`;
    }
  }

  show(seen) {
    fill(this.gauge, needle(seen.face?.head ?? null));
    if (this.coach.active) {
      const count = this.coach.samples.length;
      this.say(this.coach.see(seen, performance.now()));
      if (this.coach.samples.length !== count) this.showBins();
    }
    if (this.coach.active || !seen.face || !this.coach.samples.length) {
      this.verdict.className = 'od-live-verdict';
      this.verdict.textContent = this.coach.active ? `Enrolling: ${this.coach.samples.length} of ${EACH * Object.keys(BINS).length} pictures` : seen.face ? '' : 'No face is seen.';
      return;
    }
    const { model, target } = this.chosen(), { card } = this.client.modelOf(model), { samples } = this.coach;
    const score = dot(template(samples.map(sample => Float64Array.from(sample.embedding))), seen.embedding);
    const yaw = samples.reduce((sum, sample) => sum + Math.abs(sample.yaw), 0) / samples.length;
    const rule = ruleForFmr(card, posePair(mostFrequent(samples), seen.face.pose), target, [yaw, seen.face.head.yaw]);
    this.chart.add({ score, threshold: rule.point.threshold });
    fill(this.strip, this.chart.draw());
    this.verdict.textContent = `${headline(rule, score)}: score ${score.toFixed(3)}, threshold ${rule.point.threshold.toFixed(3)}`;
    this.verdict.className = `od-live-verdict ${decide(rule, score).replace(' ', '-')}`;
  }

  enrol() {
    this.reset();
    this.coach.active = true;
    if (!this.stream) this.run();
    this.say(`${BINS[this.coach.wanted].ask}.`);
  }

  /** Forget the template. */
  reset() {
    this.coach = new Coach();
    this.chart = new StripChart();
    this.showBins();
  }

  save() {
    if (!this.coach.samples.length) return this.say('There is no template yet: press Enrol.');
    const href = URL.createObjectURL(templateFile(this.coach.samples, this.client.modelOf(this.chosen().model).card));
    html('a', { href, download: 'template.json' }).click();
    setTimeout(() => URL.revokeObjectURL(href), 10_000);
  }

  async open(input) {
    const [file] = input.files;
    if (!file) return;
    try {
      const samples = await readTemplate(file, this.client.modelOf(this.chosen().model).card, Object.keys(BINS));
      this.reset();
      this.coach.samples = samples;
      this.showBins();
      this.say(`A template of ${samples.length} pictures was opened.`);
    } catch (error) {
      this.say(error.message);
    }
    input.value = '';
  }

  showBins() {
    fill(this.bins, ...Object.keys(BINS).map(bin => {
      const count = this.coach.count(bin);
      return html('li', { class: count >= EACH ? 'full' : '' }, `${bin} ${Math.min(count, EACH)} of ${EACH}`);
    }));
    const lines = this.client.manifest.worth?.[this.chosen().model] ?? [];
    const rate = share => html('td', {}, share === null ? 'not measured' : percent(share)), head = words => html('th', { scope: 'col' }, words);
    fill(this.worth, ...(lines.length ? [html('p', {}, 'What a further pose is worth: how often one photo of you would be refused (FNMR at FMR 0.1 %, measured on CFP)'),
      html('table', { class: 'facts' }, html('thead', {}, html('tr', {}, ...['template', 'frontal photo', 'profile photo'].map(head))),
        html('tbody', {}, ...lines.map(({ template: made, frontal, profile }) => html('tr', {}, html('th', { scope: 'row' }, made), rate(frontal), rate(profile)))))] : []));
  }
}

function mostFrequent(samples) {
  const count = pose => samples.filter(sample => sample.pose === pose).length;
  return POSES.reduce((best, pose) => (count(pose) > count(best) ? pose : best));
}
