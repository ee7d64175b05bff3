// Lets every file through to the app, which looks at its content: the page would refuse photos by their name alone
// (.jpg_large, no suffix, .avif on some systems), and with a toast that does not say what would help.
() => {
  const asPicture = file =>
    file.type.startsWith('image/') ? file : new File([file], file.name, { type: 'image/x-unknown', lastModified: file.lastModified });
  const asPictures = files => {
    const list = new DataTransfer();
    for (const file of files) list.items.add(asPicture(file));
    return list;
  };
  const takesPictures = input => input?.type === 'file' && input.accept.includes('image');
  document.addEventListener('change', event => {
    const input = event.target;
    if (takesPictures(input)) input.files = asPictures(input.files).files;
  }, true);
  document.addEventListener('drop', event => {
    const place = event.target.closest?.('.photo-input');
    if (!event.isTrusted || !place || !event.dataTransfer?.files.length) return;
    event.preventDefault();
    event.stopPropagation();
    const again = new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: asPictures(event.dataTransfer.files) });
    event.target.dispatchEvent(again);
  }, true);
}
