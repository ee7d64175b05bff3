// The page without Python: its manifest lies beside it.
import { html } from './dom.js';
import { mount } from './page.js';

const root = /** @type {Element} */ (document.querySelector('#on-device'));
const dark = matchMedia('(prefers-color-scheme: dark)'), follow = () => document.body.classList.toggle('dark', dark.matches);
dark.addEventListener('change', follow);
follow();
try {
  mount(root, await (await fetch('manifest.json')).json());
} catch (error) {
  root.replaceChildren(html('div', { class: 'notice', role: 'alert' }, `The page cannot be loaded (${error.message}): reload it.`));
}
