// Elements made in code: what comes from files, cards and names is text, never markup.

/** @param {string} name @param {Record<string, any>} [attributes] `on...` are listeners @param {...(Node|string|null)} children */
export function html(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** @param {string} name @param {Record<string, any>} [attributes] @param {...(Node|string)} children @returns {SVGElement} */
export function svg(name, attributes = {}, ...children) {
  return /** @type {SVGElement} */ (filled(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children));
}

function filled(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter(child => child !== null && child !== ''));
  return element;
}

/** Replace what is inside. @param {Element} element @param {...(Node|string|null)} children */
export function fill(element, ...children) {
  element.replaceChildren(...children.filter(child => child !== null && child !== ''));
}

/** A picture that the worker handed over, as an element. @param {ImageBitmap} bitmap @param {Record<string, any>} attributes */
export function pictureOf(bitmap, attributes) {
  const canvas = html('canvas', { width: bitmap.width, height: bitmap.height, ...attributes });
  canvas.getContext('bitmaprenderer').transferFromImageBitmap(bitmap);
  return canvas;
}

/** Gives the memory of such an element back at once; it shows nothing any more. @param {any} canvas */
export function empty(canvas) {
  canvas.width = canvas.height = 1;
  canvas.getContext('bitmaprenderer').transferFromImageBitmap(null);
}
