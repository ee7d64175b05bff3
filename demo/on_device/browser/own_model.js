// A visitor's own model: chosen, measured in a worker of its own, and its pose matrix drawn beside those of ours.
import { fill, html } from './dom.js';
import { METRICS, matrices } from './matrix.js';

export class OwnModel {
  /**
   * @param {import('./client.js').Manifest} manifest with whole addresses @param {() => void} begin is called when a file is given
   * @param {(request: {name: string, at: number}) => void} onRequest is told what the worker asks for, and when
   */
  constructor(manifest, begin, onRequest) {
    this.manifest = manifest;
    this.begin = begin;
    this.onRequest = onRequest;
    this.metric = METRICS[0];
    this.size = 1;
    this.build();
  }

  build() {
    const input = (id, accept, label) => html('input', { type: 'file', id, accept, 'aria-label': label, onchange: () => this.say() });
    this.file = input('od-own-model', '.onnx', 'ONNX model');
    this.card = input('od-own-card', '.json,application/json', 'Card of the model');
    this.start = html('button', { type: 'button', id: 'od-own-start', onclick: () => this.run() }, 'Measure it');
    this.cancel = html('button', { type: 'button', id: 'od-own-cancel', hidden: true, onclick: () => this.stop('Cancelled. Nothing was kept.') }, 'Cancel');
    this.status = html('div', { class: 'od-own-status', 'aria-live': 'polite' });
    this.result = html('div', { class: 'od-own-result' });
    const { pictures } = this.manifest.faces, megabytes = (pictures.bytes / 1e6).toFixed(1);
    this.element = html('details', { class: 'od-part od-own' }, html('summary', {}, 'Your own model: its pose matrix beside ours'),
      html('p', { class: 'quiet' }, 'Choose an ONNX file of your own. It is checked, and embeds 1,800 drawn faces in a worker of this page: the model goes nowhere else. ' +
        `The faces (${megabytes} MB) come here when you start. Files from `, code('python -m sfpn export'), ' hold their card; others need it beside them, from ', code('python -m sfpn make-card'), '.'),
      html('div', { class: 'od-buttons' }, html('label', { class: 'od-open' }, 'Model (.onnx) ', this.file),
        html('label', { class: 'od-open' }, 'Card (.json), if it has none inside ', this.card), this.start, this.cancel),
      this.status, this.result);
  }

  /** @param {string} [words] @param {boolean} [refused] */
  say(words = '', refused = false) {
    fill(this.status, words ? html('div', refused ? { class: 'notice', role: 'alert' } : { class: 'quiet' }, words) : null);
  }

  run() {
    const [model] = this.file.files, [card = null] = this.card.files;
    if (!model) return this.say('Choose an ONNX file first.', true);
    this.begin();
    this.stop();
    fill(this.result);
    const worker = (this.worker = new Worker(new URL('./own_worker.js', import.meta.url), { type: 'module' }));
    this.start.hidden = true;
    this.cancel.hidden = false;
    this.began = 0;
    worker.onmessage = ({ data }) => this.hear(data);
    worker.onerror = event => this.stop(`The worker ended (${event.message || 'it cannot be loaded'}): try again, or choose a smaller model.`, true);
    const { runtime, faces } = this.manifest;
    worker.postMessage({ runtime, faces, model, card });
  }

  hear({ requested, stage, done, total, result, error }) {
    if (requested) requested.forEach(this.onRequest);
    else if (stage) this.showProgress(stage, done, total);
    else if (error) this.stop(error, true);
    else {
      this.stop();
      this.found = result;
      this.show();
    }
  }

  /** Ends the worker, and with it all that it holds. */
  stop(words = '', refused = false) {
    this.worker?.terminate();
    this.worker = null;
    this.start.hidden = false;
    this.cancel.hidden = true;
    this.say(words, refused);
  }

  showProgress(stage, done, total) {
    if (this.stage !== stage || !this.bar?.isConnected) {
      this.stage = stage;
      this.began = performance.now();
      this.bar = html('progress', { max: 1, 'aria-label': stage });
      this.words = html('span');
      fill(this.status, html('div', { class: 'job' }, this.words, this.bar));
    }
    this.bar.value = done / total;
    const counted = total > 1 && total < 1e5, left = ((performance.now() - this.began) * (total - done)) / done / 1000;
    this.words.textContent = stage + (counted ? `: ${done.toLocaleString('en-US')} of ${total.toLocaleString('en-US')}, about ${Math.ceil(left)} s left` : '');
  }

  show() {
    const { own, references, milliseconds, bytes, descriptorSize, faces, people, notFound } = this.found;
    const count = n => n.toLocaleString('en-US'), sizes = [...new Set(own.cells.map(({ size }) => size))];
    const select = (id, options, chosen, act) => html('select', { id, onchange: event => { act(Number(event.target.value)); this.show(); } },
      ...options.map(([value, words]) => html('option', { value, selected: value === chosen }, words)));
    const ownSize = bytes < 1e5 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
    fill(this.result,
      html('div', { class: 'od-controls' },
        html('label', {}, 'Rate ', select('od-own-metric', METRICS.map(({ words }, i) => [i, words]), METRICS.indexOf(this.metric), i => (this.metric = METRICS[i]))),
        html('label', {}, 'Images a side ', select('od-own-size', sizes.map(size => [size, size === 1 ? 'one' : `templates of ${size}`]), this.size, size => (this.size = size)))),
      html('div', { class: 'od-matrices' }, ...matrices([own, ...references], this.metric, this.size)),
      html('p', { class: 'quiet' }, `${own.title}: ${ownSize}, embeddings of ${count(descriptorSize)} numbers, ${milliseconds.toFixed(0)} ms a face. ` +
        `${count(faces)} drawn faces of ${people} people who do not exist; in ${notFound} of them no face was found, and the whole picture was embedded. Under a rate: its 95 % interval ` +
        '(of our models; yours has as many people, so expect one as wide), then how many pairs of one person / of two people. Drawn faces tell models apart by pose; they say nothing of how good a model is on photos.'));
  }
}

const code = words => html('code', {}, words);
