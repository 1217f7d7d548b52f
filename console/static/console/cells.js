// Devices in pictures ([data-cells]): one stop for the keyboard, moved through by arrow keys; what a device is and whose
// it is shows on hovering and on focus, and the other devices of the same job are marked all over the page.
(() => {
  "use strict";
  const STEPS = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 8, ArrowUp: -8 };
  const tip = document.createElement("div");
  tip.className = "mc-tip";
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true"); // the cell's own label says the same
  document.body.append(tip);
  let shown = null;

  const cellOf = (node) => node instanceof Element && node.closest("[data-cells] .mc-cell");

  function mark(cell, on) {
    if (!cell?.dataset.holder) return;
    for (const other of document.querySelectorAll(`[data-holder="${CSS.escape(cell.dataset.holder)}"]`)) other.classList.toggle("mc-same", on);
  }

  function show(cell) {
    if (cell === shown) return;
    mark(shown, false);
    shown = cell;
    tip.hidden = !cell;
    if (!cell) return;
    mark(cell, true);
    tip.textContent = cell.getAttribute("aria-label");
    const at = cell.getBoundingClientRect();
    const left = Math.min(at.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
    const below = at.bottom + 6 + tip.offsetHeight < innerHeight;
    tip.style.left = `${Math.max(8, left) + scrollX}px`;
    tip.style.top = `${(below ? at.bottom + 6 : at.top - 6 - tip.offsetHeight) + scrollY}px`;
  }

  function settle(within = document) {
    for (const picture of within.querySelectorAll("[data-cells]")) {
      const first = picture.querySelector(".mc-cell");
      if (first && !picture.querySelector('.mc-cell[tabindex="0"]')) first.tabIndex = 0;
    }
  }

  document.addEventListener("mouseover", (event) => show(cellOf(event.target) || cellOf(document.activeElement) || null));
  document.addEventListener("focusin", (event) => show(cellOf(event.target) || null));
  document.addEventListener("focusout", () => show(null));
  document.addEventListener("keydown", (event) => {
    const cell = cellOf(event.target);
    if (event.key === "Escape") show(null);
    if (!cell || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = [...cell.closest("[data-cells]").querySelectorAll(".mc-cell")];
    const to = event.key === "Home" ? all[0] : event.key === "End" ? all.at(-1) : all[all.indexOf(cell) + STEPS[event.key]];
    if (!to) return;
    event.preventDefault();
    cell.tabIndex = -1;
    to.tabIndex = 0;
    to.focus();
  });
  document.addEventListener("live:refreshed", () => {
    settle();
    if (shown && !shown.isConnected) show(document.getElementById(shown.id));
  });
  settle();
})();
