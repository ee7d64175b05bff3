// Box and lasso around points that stand for rows. Who is inside is known as soon as the mouse is let go: plotly's own
// looks at every point at each move of the mouse, and draws all of them anew before it tells.
// The outline stays, with the number of rows inside it, for as long as what is inside it is what the map highlights.
const frame = element.querySelector('.plotly-view-outline'), outline = frame.querySelector('path'), label = frame.querySelector('span');
const A_CLICK = 3; // px; plotly gets the press that moves no farther
const ENDS = ['pointerup', 'pointercancel'];
const GAP = 4; // px between the outline and what is said of it
let kept = null; // the last outline: its corners in the map's units, what is said, and the `highlight` of the rows inside

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
  let path = null; // corners in pixels of the axes
  const move = now => {
    const [x, y] = placeInAxes(now), [a, b] = start;
    if (!path && Math.hypot(x - a, y - b) <= A_CLICK) return;
    if (!path) {
      host.setPointerCapture(event.pointerId); // not before: a click belongs to the point below
      frame.classList.add('drawing');
    }
    path = lasso ? [...path ?? [start], [x, y]] : [start, [a, y], [x, y], [x, b]];
    drawOutline(path, '');
  };
  const end = now => {
    host.removeEventListener('pointermove', move);
    for (const kind of ENDS) host.removeEventListener(kind, end);
    frame.classList.remove('drawing');
    if (path && now.type === 'pointerup') take(path, lasso);
    else if (path) showOutline(); // the one before
    else if (now.type === 'pointerup')
      for (const kind of ['mousedown', 'mouseup']) event.target.dispatchEvent(new MouseEvent(kind, event));
  };
  host.addEventListener('pointermove', move);
  for (const kind of ENDS) host.addEventListener(kind, end);
});

function placeInAxes(event) {
  const { left, top } = host.getBoundingClientRect(), { xaxis, yaxis } = host._fullLayout;
  const within = (place, { _offset, _length }) => Math.min(Math.max(place - _offset, 0), _length);
  return [within(event.clientX - left, xaxis), within(event.clientY - top, yaxis)];
}

function drawOutline(path, said) { // the axes cut off what lies outside of them
  const { xaxis, yaxis } = host._fullLayout, [[left], [top, bottom]] = bounds(path);
  const lengths = { left: xaxis._offset, top: yaxis._offset, width: xaxis._length, height: yaxis._length };
  for (const [name, length] of Object.entries(lengths)) frame.style[name] = `${length}px`;
  outline.setAttribute('d', `M${path.join('L')}Z`);
  label.textContent = said;
  frame.hidden = false; // from here on the label has a size
  const above = top - GAP - label.offsetHeight, below = bottom + GAP;
  const within = (place, room) => Math.min(Math.max(place, GAP), room - GAP);
  label.style.left = `${within(left, xaxis._length - label.offsetWidth)}px`;
  label.style.top = `${within(above >= GAP ? above : below, yaxis._length - label.offsetHeight)}px`;
}

function showOutline() { // anew, wherever the map was moved to
  if (frame.classList.contains('drawing')) return;
  frame.hidden = !kept || !(kept.asked || kept.highlight === props.highlight);
  if (frame.hidden) return; // perhaps there is no map yet
  const { xaxis, yaxis } = host._fullLayout;
  drawOutline(kept.corners.map(([x, y]) => [xaxis.d2p(x), yaxis.d2p(y)]), kept.said);
}

watch('highlight', () => { // the server has answered, or another selection was made
  if (kept) kept.asked = false;
  showOutline();
});
watch('value', () => { // other points, or other places of them
  kept = null;
  showOutline();
});

function take(path, lasso) {
  const { xaxis, yaxis } = host._fullLayout;
  const corners = path.map(([x, y]) => [xaxis.p2d(x), yaxis.p2d(y)]);
  tell(positionsInside(lasso ? insideLasso(corners) : insideBox(corners)), corners);
}

function tell(bits, corners) { // a bit for each position, eight a byte
  const [rows, identities] = counted(bits), number = count => count.toLocaleString('en-US');
  const words = points.counted[Math.min(Math.max(rows - 1, 0), 1) + Math.min(Math.max(identities - 1, 0), 1)];
  const said = words.replace('{rows}', number(rows)).replace('{identities}', number(identities));
  const chosen = btoa(Array.from(bits, byte => String.fromCharCode(byte)).join(''));
  kept = rows ? { corners, said, highlight: rows < points.count ? chosen : '', asked: true } : null;
  showOutline();
  host.dataset.enclosed = JSON.stringify([rows, said]);
  trigger('lasso', { chosen, of: points.of });
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
