// The tab: loads the networks, takes photos for two sides, and shows score, decision, and what was sent (nothing).
import { scoreAxis } from './axis.js';
import { Client } from './client.js';
import { DEFAULT_FMR, FMR_TARGETS, decide, histogramOf } from './decision.js';
import { empty, fill, html, pictureOf } from './dom.js';
import { Live } from './live.js';
import { OwnModel } from './own_model.js';
import { whatIsMissing } from './runtime.js';
import { SentLog } from './sent.js';
import { Side } from './side.js';
import { POSE_LABELS, errorRates, explanation, headline, pairWords, provenance, squareWords } from './wording.js';

const ICONS = { match: '✓', uncertain: '?', 'no match': '✗' };
const WAITING = 'The result appears here as soon as both sides have a photo.';
const megabytes = bytes => `${(bytes / 1e6).toFixed(1)} MB`;

/** @param {Element} root @param {import('./client.js').Manifest} manifest @param {string} [base] of its addresses */
export function mount(root, manifest, base = document.baseURI) {
  const missing = whatIsMissing();
  if (missing) return void fill(root, html('div', { class: 'notice', role: 'alert' }, missing));
  const page = new OnDevice(root, manifest, base);
  page.loaded = page.load();
  return page;
}

export class OnDevice {
  constructor(root, manifest, base) {
    this.root = root;
    this.client = new Client(manifest, share => this.showProgress(share), request => this.sent.add(request), base);
    this.sent = new SentLog(() => this.showSent());
    this.photos = 0;
    this.turn = 0; // of comparisons: only the newest is shown
    this.model = (manifest.models.find(({ name }) => name === 'depthwise') ?? manifest.models[0]).name;
    this.target = DEFAULT_FMR;
    this.build();
  }

  build() {
    this.status = html('div', { class: 'od-status', role: 'status' });
    this.sides = ['A', 'B'].map(letter => new Side(letter, (blob, name) => this.look(blob, name),
      (shot, face) => this.choose(shot, face), () => this.compare(), shot => this.client.ask('forget', { id: shot.id })));
    this.examples = html('div');
    this.verdict = html('div', { class: 'od-verdict', 'aria-live': 'polite' });
    this.details = html('div', { class: 'od-details', hidden: true });
    this.sentLine = html('div', { class: 'od-sent' });
    this.times = html('div', { class: 'od-times' });
    this.live = new Live(this.client, () => ({ model: this.model, target: this.target }), () => this.sent.begin());
    this.own = new OwnModel(this.client.manifest, () => this.sent.begin(), request => this.sent.add(request));
    fill(this.root, this.status, html('div', { class: 'od-sides' }, ...this.sides.map(side => side.element)),
      this.examples, this.verdict, this.details, this.controls(), this.sentLine, this.times, this.live.element, this.own.element);
    fill(this.verdict, waiting(WAITING));
    this.showSent();
    document.addEventListener('paste', event => this.paste(event));
  }

  /** Fetched with the networks, so that they too work without the network. */
  async loadExamples() {
    const fetched = new Map();
    const take = async ({ name, url }) => {
      if (!fetched.has(url)) fetched.set(url, fetch(url).then(answer => answer.blob()));
      return { name, blob: await fetched.get(url) };
    };
    const pairs = await Promise.all(this.client.manifest.examples.map(async ({ title, first, second }) =>
      ({ title, sides: await Promise.all([first, second].map(side => Promise.all(side.map(take)))) })));
    if (!pairs.length) return;
    const buttons = pairs.map(({ title, sides }) => html('button', { type: 'button', onclick: () => this.openExample(sides) },
      html('div', { class: 'pair' }, ...sides.map(([{ blob }]) => html('img', { src: URL.createObjectURL(blob), alt: '', onload: event => URL.revokeObjectURL(event.target.src) }))),
      html('span', {}, title)));
    fill(this.examples, html('p', { class: 'section-title' }, 'Or try a pair of drawn people'), html('div', { class: 'examples' }, ...buttons));
  }

  controls() {
    const options = this.client.manifest.models.map(({ name, title, file }) =>
      html('option', { value: name, selected: name === this.model, title }, `${name} (${megabytes(file.bytes)})`));
    this.select = html('select', { onchange: event => this.changeModel(event.target.value) }, ...options);
    const radios = FMR_TARGETS.map(target => html('label', {},
      html('input', { type: 'radio', name: 'od-fmr', value: target, checked: target === this.target, onchange: () => { this.target = target; this.compare(); } }),
      ` 1 in ${Math.round(1 / target).toLocaleString('en-US')}`));
    return html('div', { class: 'od-controls' }, html('label', {}, 'Model ', this.select),
      html('fieldset', {}, html('legend', {}, 'Strangers accepted at most (target FMR)'), ...radios));
  }

  async load() {
    const began = performance.now();
    this.showProgress(0);
    try {
      await Promise.all([this.client.load(), this.client.model(this.model), this.loadExamples()]);
    } catch (error) {
      this.failed = error;
      return fill(this.status, html('div', { class: 'notice', role: 'alert' }, `The networks cannot be loaded: ${error.message}`));
    }
    const seconds = (performance.now() - began) / 1000;
    this.ready = true;
    fill(this.status, html('p', { class: 'quiet od-ready' }, `Ready: ${megabytes(this.client.arrived)} loaded in ${seconds.toFixed(1)} s. From now on ` +
      'everything happens in this browser, also without the network: switch it off and try.'));
  }

  showProgress(share) {
    if (this.ready || this.failed) return; // of another file on its way, when one did not come
    if (!this.bar?.isConnected) {
      this.bar = html('progress', { max: 1, 'aria-label': 'Loading the networks' });
      fill(this.status, html('div', { class: 'job' }, html('span', {}, 'Loading the networks'), this.bar));
    }
    this.bar.value = share;
  }

  async look(blob, name) {
    this.sent.begin();
    this.showSent();
    await this.loaded; // a photo may be given before the networks are there
    if (this.failed) throw new Error(`${name}: cannot be looked at, since the networks could not be loaded; reload the page`);
    const shot = await this.client.ask('look', { id: ++this.photos, blob, name, model: this.model });
    this.lookTimes = shot.milliseconds;
    return shot;
  }

  choose(shot, face) {
    return this.client.ask('choose', { id: shot.id, face, model: this.model });
  }

  async openExample(sides) {
    for (const side of this.sides) side.clear();
    await Promise.all(sides.map((photos, number) => this.sides[number].add(photos)));
  }

  async changeModel(name) {
    try {
      this.ready = false;
      await this.client.model(name);
      this.model = name;
      this.live.reset(); // embeddings of two models cannot be compared
      fill(this.status);
      await this.compare();
    } catch (error) {
      this.select.value = this.model;
      fill(this.status, html('div', { class: 'notice', role: 'alert' }, `The model cannot be loaded: ${error.message}`));
    } finally {
      this.ready = true;
    }
  }

  paste(event) {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length || !this.root.checkVisibility()) return;
    const focused = this.sides.find(side => side.element.contains(document.activeElement));
    (focused ?? this.sides.find(side => !side.shots.length) ?? this.sides[1]).takeFiles(files);
    event.preventDefault();
  }

  async compare() {
    const turn = ++this.turn, [first, second] = this.sides.map(side => side.shots.map(shot => shot.id));
    if (!first.length || !second.length) {
      this.details.hidden = true;
      fill(this.times);
      return fill(this.verdict, waiting(WAITING));
    }
    try {
      const found = await this.client.ask('compare', { model: this.model, first, second, target: this.target });
      if (turn === this.turn) this.show(found);
      else found.crops.flat().forEach(bitmap => bitmap.close());
    } catch (error) {
      if (turn !== this.turn) return;
      this.details.hidden = true;
      fill(this.verdict, html('div', { class: 'notice', role: 'alert' }, error.message));
    }
  }

  show({ score, rule, crops, milliseconds }) {
    this.details.querySelectorAll('canvas').forEach(empty);
    const decision = decide(rule, score), { card } = this.client.modelOf(this.model), histogram = histogramOf(card, rule);
    fill(this.verdict, html('section', { class: `verdict ${decision.replace(' ', '-')}` },
      html('h2', {}, `${ICONS[decision]} ${headline(rule, score)}`),
      html('p', {}, explanation(rule, score)),
      html('p', {}, errorRates(rule)),
      html('p', { class: 'quiet' }, `Judged as a pair of ${pairWords(rule.pair)} faces. ${provenance(rule)}`)));
    fill(this.details,
      html('div', {}, html('p', { class: 'section-title' }, 'What the network sees'), html('div', { class: 'crops' }, ...crops.map((side, i) => this.crops(side, i)))),
      histogram && html('div', {}, html('p', { class: 'section-title' }, `The score among scores of ${squareWords(rule)}`),
        scoreAxis(histogram, score, rule.point.threshold, rule.uncertainFrom, this.root.clientWidth), legend()));
    this.details.hidden = false;
    this.showTimes(milliseconds);
  }

  crops(bitmaps, number) {
    const { shots } = this.sides[number];
    const pictures = bitmaps.map((bitmap, i) => pictureOf(bitmap, { role: 'img', 'aria-label': shots[i]?.name ?? '' }));
    const words = POSE_LABELS[shots[0].faces[shots[0].chosen].pose] + (bitmaps.length > 1 ? `, template of ${bitmaps.length} photos` : '');
    return html('div', {}, html('div', { class: `faces${bitmaps.length > 1 ? ' many' : ''}` }, ...pictures), html('p', { class: 'quiet' }, words));
  }

  showTimes(milliseconds) {
    const { card, file } = this.client.modelOf(this.model), { decode, find, crop } = this.lookTimes;
    const rows = [['Decoding the last photo', decode], ['Faces and poses in it', find], ['Crop', crop],
      ['Embeddings and score of both sides', milliseconds.crop + milliseconds.embed]];
    const parameters = card.parameters ? `${card.parameters.toLocaleString('en-US')} parameters, ` : '';
    fill(this.times, html('table', { class: 'facts' }, html('tbody', {},
      ...rows.map(([name, value]) => html('tr', {}, html('th', {}, String(name)), html('td', {}, `${Math.round(Number(value))} ms`))),
      html('tr', {}, html('th', {}, 'Model'), html('td', {}, `${card.title}: ${parameters}${megabytes(file.bytes)} to load. Licence: ${card.licence}`)))));
  }

  showSent() {
    if (!this.sentLine) return;
    const { photoBytes, requests } = this.sent, outside = requests.filter(address => !address.startsWith(location.origin));
    const words = requests.length
      ? `${requests.length} ${requests.length === 1 ? 'request' : 'requests'} since the first file, ${outside.length} of them to other servers`
      : 'no request since the first file';
    fill(this.sentLine, html('p', {}, 'Bytes of your photos and models sent: ', html('b', { id: 'bytes-sent' }, photoBytes.toLocaleString('en-US')), html('span', { class: 'quiet' }, ` · ${words}, by this browser's own log`)),
      requests.length ? html('details', {}, html('summary', {}, 'Which requests'), html('ul', {}, ...requests.slice(-50).map(address => html('li', {}, address)))) : null);
  }
}

const waiting = words => html('div', { class: 'verdict waiting' }, html('p', {}, words));

const legend = () => html('p', { class: 'od-legend quiet' }, ...[['od-impostor', 'different people'], ['od-genuine', 'same person'], ['od-unsure', 'uncertain zone']]
  .map(([name, words]) => html('span', {}, html('span', { class: `od-swatch ${name}` }), ` ${words}`)));
