// The node's page: collects the latest values while the page is open and draws them. Histories belong to Prometheus.
(() => {
  "use strict";
  const MOST = 720; // points; at a report every ten seconds two hours
  const charts = document.querySelector("[data-charts]");
  const refused = document.querySelector("details.mc-fold[open]"); // far below, and nobody would look there
  const wrong = refused?.querySelector('[aria-invalid="true"]');
  (wrong ?? refused)?.scrollIntoView({ block: wrong ? "center" : "start" });
  wrong?.focus({ preventScroll: true });
  if (!charts) return;
  const points = [];

  function draw(figure) {
    const names = JSON.parse(figure.dataset.names);
    const series = figure.dataset.collects.split(" ").map((key, place) => ({ name: names[place], values: points.map((point) => point[key]) }));
    const detail = { unit: figure.dataset.unit, times: points.map((point) => point.at), series };
    figure.dispatchEvent(new CustomEvent("chart:data", { detail, bubbles: true }));
  }

  function collect() {
    const there = document.querySelector("[data-charts]");
    if (there !== charts) there?.replaceWith(charts); // the part was exchanged as a whole
    const now = JSON.parse(document.querySelector("#node-values script").textContent);
    if (points.at(-1)?.at === now.at) return;
    points.push(now);
    if (points.length > MOST) points.shift();
    if (points.length > 1) charts.querySelectorAll("figure").forEach(draw);
  }

  document.addEventListener("live:refreshed", collect);
  collect();
})();
