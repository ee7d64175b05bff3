// Drawings of the live view: a needle for yaw and pitch, and a strip chart of the scores.
import { svg } from './dom.js';

const RADIUS = 60, WIDTH = 480, HEIGHT = 120, LABELS = 28, KEPT = 150;

/** @param {import('./types.js').HeadPose|null} head as a mirror shows it @param {string} [none] said without one @returns {SVGElement} */
export function needle(head, none = 'no face') {
  const x = head ? -RADIUS * Math.sin((head.yaw * Math.PI) / 180) : 0, y = head ? -RADIUS * Math.sin((head.pitch * Math.PI) / 180) : 0;
  const signed = value => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(0)}°`;
  const words = head ? `yaw ${signed(head.yaw)} · pitch ${signed(head.pitch)}` : none;
  return svg('svg', { viewBox: '-80 -70 160 160', class: 'od-needle', role: 'img', 'aria-label': words },
    ...[1, 2 / 3, 1 / 3].map(share => svg('circle', { r: RADIUS * share, class: 'od-ring' })),
    svg('line', { x1: -RADIUS, x2: RADIUS, class: 'od-ring' }), svg('line', { y1: -RADIUS, y2: RADIUS, class: 'od-ring' }),
    head ? svg('line', { x2: x, y2: y, class: 'od-hand' }) : '', head ? svg('circle', { cx: x, cy: y, r: 6, class: 'od-tip' }) : '',
    svg('text', { y: 82, 'text-anchor': 'middle' }, words));
}

export class StripChart {
  constructor() {
    this.points = /** @type {{score: number, threshold: number}[]} */ ([]);
  }

  add(point) {
    this.points = [...this.points, point].slice(-KEPT);
  }

  /** @returns {SVGElement} */
  draw() {
    const x = i => LABELS + (i / (KEPT - 1)) * (WIDTH - LABELS), y = value => HEIGHT - 8 - ((Math.min(Math.max(value, -0.2), 1) + 0.2) / 1.2) * (HEIGHT - 16);
    const path = name => this.points.map((point, i) => `${i ? 'L' : 'M'}${x(i).toFixed(1)} ${y(point[name]).toFixed(1)}`).join('');
    const last = this.points[this.points.length - 1];
    return svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: 'od-strip', role: 'img', 'aria-label': last ? `score ${last.score.toFixed(3)}` : 'no score yet' },
      ...[0, 0.5, 1].flatMap(value => [svg('line', { x2: WIDTH, y1: y(value), y2: y(value), class: 'od-ring' }), svg('text', { x: 2, y: y(value) + 12 }, String(value))]),
      this.points.length ? svg('path', { d: path('threshold'), class: 'od-threshold' }) : '',
      this.points.length ? svg('path', { d: path('score'), class: 'od-line' }) : '');
  }
}
