// Asks for the manifest when the tab is first seen, and hands the place over to the page's own modules.
const host = element.querySelector('.on-device');
const ROOT = (window.gradio_config?.root || '').replace(/\/$/, '') + '/';
const FOLDER = `${ROOT}gradio_api/file=${props.folder}/`;
const PATIENCE = 1000; // ms between questions while the app exports the networks
let mounted = false, asking = null;

const style = document.createElement('link');
style.rel = 'stylesheet';
style.href = `${FOLDER}on_device.css`;
document.head.append(style);

function say(words, command) {
  const notice = document.createElement('div');
  notice.className = 'notice';
  notice.textContent = words;
  host.replaceChildren(notice);
  if (!command) return;
  const code = document.createElement('pre');
  code.textContent = command;
  notice.append(code);
}

async function show() {
  if (mounted || !props.value) return;
  const { state, manifest, words, command } = JSON.parse(props.value);
  if (state !== 'preparing') asking = clearInterval(asking);
  if (state === 'ready') {
    mounted = true;
    try {
      (await import(`${FOLDER}page.js`)).mount(host, manifest, ROOT);
    } catch (error) {
      mounted = false;
      say(`The page cannot be loaded (${error.message}): reload it.`);
    }
  } else if (state === 'preparing') {
    host.textContent = 'The app makes the networks ready for browsers, once: this takes some seconds.';
    asking ??= setInterval(ask, PATIENCE); // the same answer again is no change of the value
  } else say(words, command);
}

const ask = () => trigger('prepare', { at: Date.now() });
watch('value', show);
new IntersectionObserver(entries => {
  if (!mounted && entries.some(entry => entry.isIntersecting)) ask();
}).observe(host);
