// A form is sent once, however often its button is pressed; after ten seconds without an answer it may be sent again.
(() => {
  "use strict";
  const sent = new Set();

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") return; // a script sends it, or it only looks
    if (sent.has(form)) return event.preventDefault();
    sent.add(form);
    setTimeout(() => sent.delete(form), 10_000);
  });
  addEventListener("pageshow", () => sent.clear()); // the way back shows the page as it was left
})();
