// Charts with buttons for their range: <section data-ranges><button data-range="6h" aria-pressed="true">… <figure …>.
// A button reads all charts of its section again; while the page is shown, that also happens every minute.
(() => {
  "use strict";
  const EVERY_MS = 60000;
  const section = document.querySelector("[data-ranges]");
  if (!section) return;
  const figures = () => section.querySelectorAll("figure[data-chart]");
  const load = () => figures().forEach((figure) => figure.dispatchEvent(new CustomEvent("chart:load", { bubbles: true })));

  section.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-range]");
    if (!chosen) return;
    for (const one of section.querySelectorAll("[data-range]")) one.setAttribute("aria-pressed", one === chosen);
    for (const figure of figures()) {
      const address = new URL(figure.dataset.chart, location.href);
      address.searchParams.set("range", chosen.dataset.range);
      figure.dataset.chart = address.pathname + address.search;
    }
    load();
  });

  document.addEventListener("live:refreshed", () => {
    const there = document.querySelector("[data-ranges]");
    if (there && there !== section) there.replaceWith(section); // the part was exchanged as a whole
  });
  setInterval(() => document.hidden || load(), EVERY_MS);
})();
