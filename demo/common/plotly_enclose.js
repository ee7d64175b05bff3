// Box and lasso around points that stand for rows. Who is inside is known as soon as the mouse is let go: plotly's own
// looks at every point at each move of the mouse, and draws all of them anew before it tells.
const outline = element.querySelector('.plotly-view-outline path');
const A_CLICK = 3; // px; plotly gets the press that moves no farther
const ENDS = ['pointerup', 'pointercancel'];
const LASTS = 1000; // ms, until the points outside are dimmed

const encloses = event => bound && points && event.isTrusted && !event.button && event.target.closest?.('.nsewdrag')
  && ['select', 'lasso'].includes(host._fullLayout.dragmode);

for (const press of ['mousedown', 'touchstart']) host.addEventListener(press, event => {
  if (!encloses(event)) return;
  event.stopPropagation(); // on its way to plotly
  event.preventDefault();
}, { capture: true, passive: false });

host.addEventListener('pointerdown', event => {
  if (!encloses(event) || !event.isPrimary) return;
  const lasso = host._fullLayout.dragmode === 'lasso', start = placeInAxes(event);
  let path = null; // corners in pixels of the figure
  const move = now => {
    const [x, y] = placeInAxes(now), [a, b] = start;
    if (!path && Math.hypot(x - a, y - b) <= A_CLICK) return;
    if (!path) host.setPointerCapture(event.pointerId); // not before: a click belongs to the point below
    path = lasso ? [...path ?? [start], [x, y]] : [start, [a, y], [x, y], [x, b]];
    outline.setAttribute('d', `M${path.join('L')}Z`);
  };
  const end = now => {
    host.removeEventListener('pointermove', move);
    for (const kind of ENDS) host.removeEventListener(kind, end);
    if (now.type === 'pointercancel') outline.removeAttribute('d');
    else if (path) take(path, lasso);
    else for (const kind of ['mousedown', 'mouseup']) event.target.dispatchEvent(new MouseEvent(kind, event));
  };
  host.addEventListener('pointermove', move);
  for (const kind of ENDS) host.addEventListener(kind, end);
});

function placeInAxes(event) {
  const frame = host.getBoundingClientRect(), { xaxis, yaxis } = host._fullLayout;
  const within = (place, { _offset, _length }) => Math.min(Math.max(place, _offset), _offset + _length);
  return [within(event.clientX - frame.left, xaxis), within(event.clientY - frame.top, yaxis)];
}

function take(path, lasso) {
  const { xaxis, yaxis } = host._fullLayout;
  const corners = path.map(([x, y]) => [xaxis.p2d(x - xaxis._offset), yaxis.p2d(y - yaxis._offset)]);
  tell(positionsInside(lasso ? insideLasso(corners) : insideBox(corners)));
  setTimeout(() => outline.removeAttribute('d'), LASTS);
}

function tell(bits) { // a bit for each position, eight a byte
  host.dataset.enclosed = JSON.stringify(counted(bits));
  let text = '';
  for (const byte of bits) text += String.fromCharCode(byte);
  trigger('lasso', { chosen: btoa(text), of: points.of });
}

const bounds = corners => [0, 1].map(axis => [Math.min(...corners.map(c => c[axis])), Math.max(...corners.map(c => c[axis]))]);

function insideBox(corners) {
  const [[left, right], [low, high]] = bounds(corners);
  return (x, y) => x >= left && x <= right && y >= low && y <= high;
}

function insideLasso(corners) { // a line from the point to the right crosses the outline an odd number of times
  const near = insideBox(corners), xs = Float64Array.from(corners, c => c[0]), ys = Float64Array.from(corners, c => c[1]);
  return (x, y) => {
    if (!near(x, y)) return false;
    let odd = false;
    for (let i = 0, j = xs.length - 1; i < xs.length; j = i++)
      if ((ys[i] > y) !== (ys[j] > y) && x < xs[i] + (xs[j] - xs[i]) * (y - ys[i]) / (ys[j] - ys[i])) odd = !odd;
    return odd;
  };
}

function positionsInside(inside) { // of the traces that are shown
  const bits = new Uint8Array(Math.ceil(points.count / 8));
  for (const { visible, x, y, meta } of host._fullData) {
    if (visible !== true || !meta?.positions) continue;
    for (let i = 0; i < x.length; i++) {
      const position = meta.positions[i];
      if (inside(x[i], y[i])) bits[position >> 3] |= 128 >> (position & 7);
    }
  }
  return bits;
}

function counted(bits) { // rows, and identities: the first of the words
  const [identities, codes] = points.words[0], seen = new Uint8Array(identities.length);
  let rows = 0;
  for (let position = 0; position < points.count; position++) {
    if (!(bits[position >> 3] & (128 >> (position & 7)))) continue;
    rows += 1;
    seen[codes[position]] = 1;
  }
  return [rows, seen.reduce((sum, one) => sum + one, 0)];
}
