// Draws <figure class="mc-chart" data-chart="ADDRESS" data-kind="line|bar"><canvas></canvas><p></p></figure> from JSON:
// {"unit": "devices", "times": [ms, …] or "labels": ["…"], "series": [{"name": "…", "values": [n|null, …]}]}.
// "empty" and "note" in it say why there are no values, and what is left out; {"error": "…"} of a failure is shown.
// Colours come from the style sheet, so a chart follows the theme; data-live topics draw it anew.
(() => {
  "use strict";
  const drawn = new Map();
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const zone = () => document.querySelector("[data-zone]")?.dataset.zone;
  const language = () => document.documentElement.lang || "en";

  function clock(times) {
    const day = times[times.length - 1] - times[0] > 36 * 3600e3;
    const shape = day ? { month: "2-digit", day: "2-digit" } : { hour: "2-digit", minute: "2-digit", hour12: false };
    return (ms) => new Intl.DateTimeFormat(language(), { ...shape, timeZone: zone() }).format(ms);
  }

  // Marks at whole hours or days of the installation's clocks.
  const STEPS = [1, 5, 10, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080].map((minutes) => minutes * 60e3);
  function marks(axis) {
    const step = STEPS.find((one) => (axis.max - axis.min) / one <= 9) || STEPS.at(-1);
    const ahead = offset(axis.min);
    axis.ticks = [];
    for (let at = Math.ceil((axis.min + ahead) / step) * step - ahead; at <= axis.max; at += step) axis.ticks.push({ value: at });
  }
  function offset(ms) {
    const parts = Object.fromEntries(new Intl.DateTimeFormat("en", { timeZone: zone(), hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric" })
      .formatToParts(ms).map((part) => [part.type, +part.value]));
    return Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute) - Math.floor(ms / 60e3) * 60e3;
  }

  // One or two values alone make no line, so they are drawn as points.
  function radius(values) {
    const known = (i) => values[i] !== null && values[i] !== undefined;
    const few = values.filter((value) => value !== null).length < 3;
    return values.map((_value, i) => (known(i) && (few || (!known(i - 1) && !known(i + 1))) ? 4 : 0));
  }

  // The axis of a short time begins where its first mean does, so that it has clock times.
  function span(times) {
    const last = times[times.length - 1];
    return { min: last - times[0] < 600e3 ? times[0] - 300e3 : times[0], max: last };
  }

  function datasets(data, kind) {
    return data.series.map((series, place) => {
      const colour = css(`--mc-series-${(place % 6) + 1}`);
      const values = data.times ? series.values.map((y, i) => ({ x: data.times[i], y })) : series.values;
      return {
        label: series.name, data: values, borderColor: colour, backgroundColor: kind === "bar" ? colour : colour + "22",
        borderWidth: kind === "bar" ? 0 : 2, borderDash: place % 2 ? [6, 3] : [], pointRadius: kind === "line" && !data.stepped ? radius(series.values) : 0, pointHitRadius: 8, stepped: data.stepped ? "before" : false,
        fill: data.series.length === 1 && kind === "line",
      };
    });
  }

  function options(data, kind) {
    const grid = { color: css("--mc-line") };
    const ticks = { color: css("--mc-quiet"), maxRotation: 0, autoSkipPadding: 16 };
    const x = data.times && kind === "line"
      ? { type: "linear", ...span(data.times), grid, afterBuildTicks: marks, ticks: { ...ticks, callback: clock(data.times) } }
      : { grid: { display: false }, ticks };
    const title = (items) => (data.times && kind === "line" ? new Date(items[0].parsed.x).toLocaleString(language(), { timeZone: zone() }) : items[0].label);
    return {
      animation: false, responsive: true, maintainAspectRatio: false, interaction: { mode: "index", intersect: false },
      scales: { x, y: { beginAtZero: true, grid, ticks: data.stepped ? { ...ticks, precision: 0 } : ticks, title: { display: !!data.unit, text: data.unit, color: css("--mc-quiet") } } },
      plugins: { legend: { display: data.series.length > 1, labels: { color: css("--mc-text") } }, tooltip: { callbacks: { title } } },
    };
  }

  // "As a table": the same figures, written when somebody opens it.
  function tabulate(figure) {
    const box = document.querySelector(`details[data-of="${CSS.escape(figure.id)}"]`);
    if (!box?.open || !figure.chartData) return;
    const { times, labels, series, stepped } = figure.chartData;
    const table = box.querySelector("table");
    const when = (ms) => new Date(ms).toLocaleString(language(), { timeZone: zone(), dateStyle: "short", timeStyle: "short" });
    const names = times ? times.map(when) : labels;
    const line = (kind, cells) => { const row = document.createElement("tr"); row.append(...cells.map((text, i) => written(i ? "mc-number" : "", kind, text))); return row; };
    const head = document.createElement("thead"), body = document.createElement("tbody");
    head.append(line("th", [table.dataset.when || "", ...series.map((one) => one.name)]));
    const last = stepped ? names.length - 1 : names.length; // the last point of a stepped line only ends it
    for (let i = 0; i < last; i++) body.append(line("td", [names[i], ...series.map((one) => one.values[i]?.toLocaleString(language()) ?? "–")]));
    table.replaceChildren(head, body);
  }
  const written = (name, kind, text) => Object.assign(document.createElement(kind), { className: name, textContent: text });

  function paint(figure, data) {
    tabulate(figure);
    const kind = figure.dataset.kind || "line";
    drawn.get(figure)?.destroy();
    const empty = !data.series.some((series) => series.values.some((value) => value !== null));
    figure.dataset.state = empty ? "empty" : "drawn";
    figure.querySelector("p").textContent = empty ? data.empty || figure.dataset.empty || "" : "";
    const note = figure.parentElement.querySelector("header .mc-note");
    if (note && data.note !== undefined) note.textContent = data.note;
    if (empty) return;
    const bare = kind === "bar" && data.times ? { ...data, labels: data.times.map(clock(data.times)), times: null } : data;
    const chart = new Chart(figure.querySelector("canvas"), { type: kind, data: { labels: bare.labels, datasets: datasets(bare, kind) }, options: options(bare, kind) });
    drawn.set(figure, chart);
  }

  function fail(figure, reason) {
    figure.dataset.state = "error";
    figure.querySelector("p").textContent = reason || figure.dataset.error || "";
  }

  async function draw(figure) {
    try {
      const answer = await fetch(figure.dataset.chart, { credentials: "same-origin" });
      const data = await answer.json();
      if (!answer.ok) return fail(figure, data.error);
      figure.chartData = data;
      paint(figure, data);
    } catch {
      fail(figure);
    }
  }

  const figures = (within = document) => within.querySelectorAll("figure[data-chart]");
  function watch(figure) {
    let next = 0;
    for (const topic of (figure.dataset.topics || "").split(" ").filter(Boolean)) {
      document.addEventListener("live:" + topic, () => {
        if (next || !figure.isConnected) return;
        next = setTimeout(() => { next = 0; if (!document.hidden) draw(figure); }, 10000);
      });
    }
  }

  // A page that collects its values itself hands them over.
  document.addEventListener("chart:data", (event) => {
    event.target.chartData = event.detail;
    paint(event.target, event.detail);
  });

  document.addEventListener("chart:load", (event) => draw(event.target));

  document.addEventListener("DOMContentLoaded", () => {
    for (const figure of figures()) { draw(figure); watch(figure); }
    for (const box of document.querySelectorAll("details[data-of]"))
      box.addEventListener("toggle", () => tabulate(document.getElementById(box.dataset.of)));
    new MutationObserver(() => { for (const [figure] of drawn) if (figure.isConnected) paint(figure, figure.chartData); })
      .observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
  });
})();
