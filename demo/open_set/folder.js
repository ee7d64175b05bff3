// A folder, or several files and folders that are dropped, become one ZIP in the browser (stored, not compressed), so
// that the app has one kind of file to take. The list of dropped entries must be read before the event ends.
const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});
const crcOf = bytes => {
  let crc = ~0;
  for (const byte of bytes) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 255];
  return ~crc >>> 0;
};
const record = (signature, fields, name, extra = []) => {
  const bytes = new Uint8Array(4 + fields.reduce((sum, [size]) => sum + size, 0) + name.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, signature, true);
  let at = 4;
  for (const [size, value] of fields) {
    size === 2 ? view.setUint16(at, value, true) : view.setUint32(at, value, true);
    at += size;
  }
  bytes.set(name, at);
  return bytes;
};
async function zipped(files) {
  const parts = [], directory = [];
  let offset = 0;
  for (const [path, file] of files) {
    const name = new TextEncoder().encode(path), crc = crcOf(new Uint8Array(await file.arrayBuffer()));
    const common = [[2, 20], [2, 0x800], [2, 0], [2, 0], [2, 33], [4, crc], [4, file.size], [4, file.size], [2, name.length], [2, 0]];
    const header = record(0x04034b50, common, name);
    parts.push(header, file);
    directory.push(record(0x02014b50, [[2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]], name));
    offset += header.length + file.size;
  }
  const size = directory.reduce((sum, entry) => sum + entry.length, 0);
  const end = [[2, 0], [2, 0], [2, files.length], [2, files.length], [4, size], [4, offset], [2, 0]];
  return new Blob([...parts, ...directory, record(0x06054b50, end, new Uint8Array())]);
}
async function give(files, name) {
  const input = document.querySelector('#own-file input[type=file]');
  if (!input || !files.length) return;
  const status = document.querySelector('#own-status');
  if (files.length > 60000 || files.reduce((sum, [, file]) => sum + file.size, 0) > 4e9) {
    if (status) status.textContent = 'These are too many files for one set.';
    return;
  }
  const list = new DataTransfer();
  list.items.add(new File([await zipped(files)], `${name}.zip`, { type: 'application/zip' }));
  input.files = list.files;
  input.dispatchEvent(new Event('change', { bubbles: true }));
}
async function walk(entry, path, found) {
  if (entry.isFile) {
    found.push([path + entry.name, await new Promise((take, fail) => entry.file(take, fail))]);
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((take, fail) => reader.readEntries(take, fail));
    if (!some.length) return;
    for (const below of some) await walk(below, `${path}${entry.name}/`, found);
  }
}
const chooser = element.querySelector('input');
element.querySelector('button').addEventListener('click', () => chooser.click());
chooser.addEventListener('change', async () => {
  const files = [...chooser.files].map(file => [file.webkitRelativePath || file.name, file]);
  await give(files, (files[0]?.[0] || 'folder').split('/')[0]);
  chooser.value = '';
});
document.addEventListener('drop', async event => {
  if (!event.isTrusted || !event.target.closest?.('#own-file')) return;
  const entries = [...event.dataTransfer.items].map(item => item.webkitGetAsEntry?.()).filter(Boolean);
  if (entries.length === 1 && entries[0].isFile) return;
  event.preventDefault();
  event.stopPropagation();
  const found = [];
  for (const entry of entries) await walk(entry, '', found);
  await give(found, entries.length === 1 ? entries[0].name : 'photos');
}, true);
