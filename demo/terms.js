// Gives the labels, choices and headings that are terms their one-line explanation, now and whenever the page grows.
() => {
  const terms = TERMS, places = '[data-testid="block-info"], label > span, th';
  let waiting = false;
  const explain = () => {
    waiting = false;
    for (const place of document.querySelectorAll(places)) {
      const line = terms[place.textContent.trim()];
      if (!line || place.title) continue;
      place.title = line;
      place.classList.add('explained');
    }
  };
  new MutationObserver(() => { if (!waiting) { waiting = true; requestAnimationFrame(explain); } })
    .observe(document.body, { childList: true, subtree: true });
  explain();
}
