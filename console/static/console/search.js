// The search field: "/" opens it too, the first thing found is chosen at once, and closing it gives the focus back.
(() => {
  "use strict";
  let before = null;
  const field = () => document.getElementById("search-input-command");
  const typing = (at) => at.matches("input, textarea, select, [contenteditable]");

  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || !field()) return;
    if (document.getElementById("searchbar")) return; // a list has a search of its own
    event.preventDefault();
    dispatchEvent(new CustomEvent("opencommand"));
  });
  addEventListener("opencommand", () => { before = document.activeElement; });
  document.addEventListener("focusout", (event) => {
    if (event.target !== field() || event.relatedTarget) return;
    setTimeout(() => { if (!field().offsetParent && before?.isConnected) before.focus(); }, 50);
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id === "command-results") setTimeout(() => field().dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown", bubbles: false })));
  });
})();
