// What this page sends while it holds photos, by the browser's own log of requests and by watching every way to send.

const TEXT_BYTES = 10_000; // a text that is longer could hold a photo, and counts as one

export class SentLog {
  /** @param {() => void} changed is called when a number changes */
  constructor(changed) {
    this.photoBytes = 0; // in bodies that are files, pixels or long texts
    this.requests = /** @type {string[]} */ ([]); // addresses, since the first file
    this.since = Infinity; // ms since 1970
    this.changed = changed;
    this.observe();
    this.watchBodies();
  }

  /** Call it when the first photo or model is given. */
  begin() {
    if (this.since === Infinity) this.since = performance.timeOrigin + performance.now();
  }

  /** @param {{name: string, at: number}} request its address and when it began, ms since 1970 */
  add({ name, at }) {
    if (at < this.since || /^(blob|data):/.test(name)) return;
    this.requests.push(name);
    this.changed();
  }

  observe() {
    new PerformanceObserver(list => {
      for (const { name, startTime } of list.getEntries()) this.add({ name, at: performance.timeOrigin + startTime });
    }).observe({ type: 'resource', buffered: true });
  }

  watchBodies() {
    const count = body => {
      this.photoBytes += photoBytes(body);
      this.changed();
    };
    const { fetch, navigator } = window, { send } = XMLHttpRequest.prototype;
    window.fetch = (target, options) => (count(options?.body ?? (target instanceof Request && target.body ? ' '.repeat(TEXT_BYTES + 1) : '')), fetch(target, options));
    XMLHttpRequest.prototype.send = function (body) {
      count(body);
      return send.call(this, body);
    };
    const beacon = navigator.sendBeacon?.bind(navigator);
    if (beacon) navigator.sendBeacon = (target, body) => (count(body), beacon(target, body));
    const socket = WebSocket.prototype.send;
    WebSocket.prototype.send = function (body) {
      count(body);
      return socket.call(this, body);
    };
  }
}

/** @param {any} body @returns {number} */
function photoBytes(body) {
  if (!body) return 0;
  if (typeof body === 'string') return body.length > TEXT_BYTES ? body.length : 0;
  if (body instanceof Blob) return body.size;
  if (body instanceof FormData) return [...body.values()].reduce((sum, value) => sum + photoBytes(value), 0);
  if (body instanceof URLSearchParams) return photoBytes(body.toString());
  return body.byteLength ?? TEXT_BYTES; // a stream has no length that can be asked for
}
