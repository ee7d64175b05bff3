// The page's side of the worker: requests that are answered in order.
import { fetchFile } from './runtime.js';
/**
 * @typedef {import('./runtime.js').RemoteFile} RemoteFile
 * @typedef {{name: string, title: string, file: RemoteFile, card_file: RemoteFile, card: import('./types.js').Card}} Model `card`:
 *   only once the model was loaded
 * @typedef {{runtime: any, detector: any, pose: any, models: Model[], examples: any[], worth?: any,
 *   faces: {index: RemoteFile, pictures: RemoteFile}}} Manifest
 */

export class Client {
  /**
   * @param {Manifest} manifest @param {(share: number) => void} [onProgress] is told 0-1 while files come
   * @param {(request: {name: string, at: number}) => void} [onRequest] is told what the worker asks for,
   *   and when @param {string} [base] of addresses
   */
  constructor(manifest, onProgress = () => {}, onRequest = () => {}, base = document.baseURI) {
    this.manifest = absolute(manifest, base);
    this.waiting = new Map();
    this.models = new Set(); // names of those that were loaded
    this.count = 0;
    this.arrived = 0;
    this.expected = 0;
    this.worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
    this.worker.onmessage = ({ data }) => {
      if (data.progress) {
        this.arrived += data.progress;
        onProgress(Math.min(1, this.arrived / this.expected));
        return;
      }
      if (data.requested) return data.requested.forEach(onRequest);
      const [resolve, reject] = this.waiting.get(data.number);
      this.waiting.delete(data.number);
      data.error ? reject(new Error(data.error)) : resolve(data.answer);
    };
    this.worker.onerror = event => {
      for (const [, reject] of this.waiting.values()) reject(new Error(event.message || 'the worker cannot be loaded; reload the page'));
      this.waiting.clear();
    };
  }

  /** @param {string} kind @param {any} [given] @param {Transferable[]} [handedOver] @returns {Promise<any>} */
  ask(kind, given = {}, handedOver = []) {
    const number = ++this.count;
    return new Promise((resolve, reject) => {
      this.waiting.set(number, [resolve, reject]);
      this.worker.postMessage({ number, kind, given }, handedOver);
    });
  }

  /** Runtime and detector. */
  async load() {
    const { runtime, detector, pose } = this.manifest;
    for (const file of [...Object.values({ ...runtime, ...detector }), pose.file]) this.expected += file.bytes;
    return this.ask('load', { runtime, detector, pose });
  }

  /** A model, unless it is there already. @param {string} name */
  async model(name) {
    const model = this.modelOf(name), { file } = model;
    if (!this.models.has(name)) this.expected += file.bytes;
    model.card ??= JSON.parse(new TextDecoder().decode(await fetchFile(model.card_file)));
    const answer = await this.ask('model', { name, file, card: model.card });
    this.models.add(name);
    return answer;
  }

  /** @param {string} name @returns {Model} */
  modelOf(name) {
    const found = this.manifest.models.find(model => model.name === name);
    if (!found) throw new Error(`there is no model ${name}`);
    return found;
  }
}

/** The manifest with addresses that do not depend on where they are used. */
function absolute(manifest, base) {
  return JSON.parse(JSON.stringify(manifest), (key, value) => (key === 'url' ? new URL(value, base).href : value));
}
