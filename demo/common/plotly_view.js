// Draws props.value (a Plotly figure as JSON) in the colours of the page's theme and reports what is done with it.
const host = element.querySelector('.plotly-view-host');
const hint = element.querySelector('.plotly-view-hint'), thumbnail = hint.querySelector('img'), words = hint.querySelector('span');
const ROOT = (window.gradio_config?.root || '').replace(/\/$/, '');
const CONFIG = { responsive: true, displaylogo: false, showSendToCloud: false, modeBarButtonsToRemove: ['toImage'],
  plotGlPixelRatio: Math.max(1, window.devicePixelRatio || 1) }; // the default of 2 is four times the work where WebGL runs on the processor
const UNSEEN = 100; // ms
let plotly = null, bound = false, width = 0, line = null, held = false, queue = Promise.resolve();
let points = null; // layout.meta.points of the figure: what is said of the rows that its points stand for

function loadPlotly() { // one shared load per page, whatever the number of charts
  window.__plotlyView ??= new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = `${ROOT}/gradio_api/file=${props.plotly_js}`;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => reject(new Error(`cannot load ${script.src}`));
    document.head.appendChild(script);
  });
  return window.__plotlyView;
}

function themed(layout) { // the theme's colours instead of plotly.py's template; colours that the figure sets itself win
  const style = getComputedStyle(document.body);
  const colour = (name, fallback) => style.getPropertyValue(name).trim() || fallback;
  const text = colour('--body-text-color', '#222'), line = colour('--border-color-primary', '#ddd');
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, tickcolor: line };
  const font = { color: text, family: colour('--font', 'sans-serif') };
  const template = {
    paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', font, xaxis: axis, yaxis: axis,
    hoverlabel: { bgcolor: colour('--background-fill-secondary', '#fff'), bordercolor: line, font },
    modebar: { color: line, activecolor: text, bgcolor: 'rgba(0,0,0,0)' },
  };
  return { ...layout, autosize: true, template: { layout: template } };
}

const othersFirst = () => new Promise(resolve => { // text and pictures that came with the figure are seen at once
  requestAnimationFrame(() => setTimeout(resolve)); // after they are painted
  setTimeout(resolve, UNSEEN); // a page that is not seen is not painted
});
const draw = () => queue = queue.then(othersFirst).then(drawNow).catch(error => console.error('PlotlyView', error));

let announce;
const drawnOnce = new Promise(resolve => { announce = resolve; });

async function drawNow() {
  plotly ??= await loadPlotly();
  if (!props.value) {
    if (bound) { plotly.purge(host); bound = false; }
    return;
  }
  const figure = JSON.parse(props.value), layout = themed(figure.layout || {});
  points = unpackPoints(figure);
  if (line != null && layout.shapes?.length) Object.assign(layout.shapes[0], { x0: line, x1: line });
  if (points && props.highlight) {
    const bits = bytes(props.highlight), chosen = position => bits[position >> 3] & (128 >> (position & 7));
    for (const trace of figure.data) {
      const positions = trace.meta?.positions;
      if (positions) trace.selectedpoints = [...positions.keys()].filter(i => chosen(positions[i]));
    }
  }
  await plotly.react(host, figure.data, layout, CONFIG);
  freeOfAddress();
  width = host.offsetWidth;
  host.style.touchAction = layout.meta?.drag ? 'pan-y' : '';
  if (!bound) { bound = true; bind(); }
  announce();
}

const TYPES = { i1: Int8Array, u1: Uint8Array, i2: Int16Array, u2: Uint16Array, i4: Int32Array, u4: Uint32Array, f4: Float32Array, f8: Float64Array };
const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
const unpacked = column => column?.bdata ? new TYPES[column.dtype](bytes(column.bdata).buffer) : column; // as plotly.py packs numpy's arrays

function unpackPoints({ data, layout }) {
  const found = layout?.meta?.points;
  if (!found) return null;
  for (const trace of data) {
    if (!trace.customdata) continue;
    trace.meta = { positions: unpacked(trace.customdata) }; // plotly would copy each point of a box one by one
    delete trace.customdata;
  }
  return { ...found, words: found.words.map(([texts, codes]) => [texts, unpacked(codes)]) };
}

function freeOfAddress() { // plotly names clip paths by the page's address, and ours changes with each sample, pair and cell: traces then vanish or overflow
  host._context._baseUrl = '';
  for (const part of host.querySelectorAll('[clip-path]')) part.setAttribute('clip-path', part.getAttribute('clip-path').replace(/^url\('.*#(.*)'\)$/, 'url(#$1)'));
}

const positionOf = p => p.data?.meta?.positions?.[p.pointNumber];
const point = p => ({ curve: p.curveNumber, index: p.pointNumber ?? p.pointIndex ?? null, x: p.x ?? null, y: p.y ?? null,
  z: p.z ?? null, value: positionOf(p) ?? p.customdata ?? p.id ?? null, name: p.data?.name ?? null, of: points?.of ?? null });

function bind() {
  host.on('plotly_click', event => { if (event?.points?.length) trigger('select', point(event.points[0])); });
  host.on('plotly_hover', showHint);
  host.on('plotly_unhover', () => { hint.style.display = 'none'; });
  host.on('plotly_deselect', () => { if (points) tell(new Uint8Array(Math.ceil(points.count / 8)), []); }); // a double click with the box or lasso
  for (const moved of ['plotly_afterplot', 'plotly_relayouting']) host.on(moved, showOutline);
}

// The figure's first shape, a vertical line: pressing anywhere moves it there, by mouse or finger; plotly's own needs a hit within three pixels.
const TOLD_EVERY = 200; // ms while it moves, and once more at the end
let told = 0;
host.addEventListener('pointerdown', event => {
  if (!bound || !host.layout.meta?.drag || !event.target.closest('.nsewdrag')) return;
  held = true;
  moveLine(event);
  host.setPointerCapture(event.pointerId);
  host.addEventListener('pointermove', moveLine);
  for (const end of ['pointerup', 'pointercancel']) host.addEventListener(end, letGo, { once: true });
});

function moveLine(event) {
  const axis = host._fullLayout.xaxis, [low, high] = axis.range;
  line = Math.min(Math.max(axis.p2d(event.clientX - host.getBoundingClientRect().left - axis._offset), low), high);
  plotly.relayout(host, { 'shapes[0].x0': line, 'shapes[0].x1': line });
  if (performance.now() - told < TOLD_EVERY) return;
  told = performance.now();
  trigger('drag', { x: line });
}

function letGo() {
  held = false;
  host.removeEventListener('pointermove', moveLine);
  trigger('drag', { x: line });
}

function showHint(event) { // no round trip to Python
  const position = positionOf(event.points[0]);
  if (!points || position == null) return;
  const frame = host.getBoundingClientRect(), url = ROOT + points.thumbnail.replace('{}', position);
  if (!thumbnail.src.endsWith(url)) {
    thumbnail.removeAttribute('src'); // not the face of the point before while this one is on its way
    thumbnail.src = url;
  }
  words.textContent = points.words.map(([texts, codes]) => texts[codes[position]]).join('');
  hint.style.display = 'block';
  hint.style.left = `${Math.min(Math.max(event.event.clientX - frame.left + 14, 0), frame.width - hint.offsetWidth - 4)}px`;
  hint.style.top = `${Math.max(event.event.clientY - frame.top - hint.offsetHeight - 10, 0)}px`;
}

function save(content, name) {
  const link = document.createElement('a');
  link.href = content; link.download = name; link.click();
}

const name = () => host.layout?.meta?.name || 'figure';
for (const format of ['png', 'svg']) element.querySelector(`.plotly-view-${format}`).onclick = async () => {
  await drawnOnce; await queue; // a click while the figure is on its way saves it when it is there
  if (bound) save(await plotly.toImage(host, { format, scale: format === 'png' ? 2 : 1 }), `${name()}.${format}`);
};
element.querySelector('.plotly-view-csv').onclick = async () => {
  await drawnOnce; await queue;
  const csv = host.layout?.meta?.csv;
  if (points) trigger('csv', {});
  else if (csv) save(URL.createObjectURL(new Blob([csv], { type: 'text/csv' })), `${name()}.csv`);
};

watch('value', () => { line = null; draw(); });
watch('line_x', () => { if (!held) { line = props.line_x; draw(); } }); // while it is dragged, answers to older places are late
watch('highlight', draw);
new MutationObserver(draw).observe(document.body, { attributes: true, attributeFilter: ['class'] }); // light and dark
new ResizeObserver(() => { // tabs and windows; a tab that is opened again has its old width
  if (bound && host.offsetWidth && host.offsetWidth !== width) { width = host.offsetWidth; plotly.Plots.resize(host); }
}).observe(host);
draw();
