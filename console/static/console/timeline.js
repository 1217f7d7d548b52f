// Draws the timeline from <script id="timeline-data">: a row for each node or customer, a bar for each allocation.
(() => {
  "use strict";
  const LANE = 6, LEAST = 28; // px of a lane, and of a row
  const make = (tag, className, text) => Object.assign(document.createElement(tag), { className: className || "", textContent: text || "" });
  const fill = (shape, values) => shape.replace(/%\((\w+)\)s/g, (_, name) => values[name]);
  const language = () => document.documentElement.lang || "en";
  const zone = () => document.getElementById("mc-live")?.dataset.zone;
  let data = null, exact = null, tip = null;
  const hide = () => { if (tip) tip.hidden = true; };

  function reader() {
    const shape = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone: zone() };
    const format = new Intl.DateTimeFormat("sv-SE", shape); // writes YYYY-MM-DD HH:mm:ss
    return (ms) => format.format(ms);
  }

  function describe([, , , start, end, status, number, customer, devices]) {
    const other = data.others?.[status] && data.words[status];
    const name = other ? fill(other, { job: number }) : status ? fill(data.words.job, { job: number }) : fill(data.words.reserved, { sda: number });
    const when = end ? fill(data.words.until, { start: exact(start), end: exact(end) }) : fill(data.words.open, { start: exact(start) });
    return { name, customer, state: data.states[status][1], devices, when };
  }

  const addressOf = (bar) => (data.others?.[bar[5]] || (bar[5] ? data.job : data.sda)).replace("000000000000", bar[6]);

  function place(element, bar, height) {
    const share = (ms) => (100 * (ms - data.start)) / (data.end - data.start);
    const left = Math.max(0, share(bar[3])), right = Math.min(100, share(bar[4] ?? Math.min(data.now, data.end)));
    const lanes = data.rows[bar[0]][1];
    element.style.cssText = `left:${left}%;width:${Math.max(0, right - left)}%;top:${(bar[1] * height) / lanes}px;height:${(bar[2] * height) / lanes - 1}px`;
  }

  function drawBar(bar, height) {
    const element = make("a", `mc-bar ${data.states[bar[5]][0]}${bar[4] ? "" : " mc-unended"}`);
    const about = describe(bar);
    element.href = addressOf(bar);
    element.tabIndex = -1;
    element.setAttribute("aria-label", [data.rows[bar[0]][0], about.name, about.customer, about.state, about.devices, about.when].join(", "));
    element.bar = bar;
    place(element, bar, height);
    return element;
  }

  function step() {
    const steps = [60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000].map((s) => s * 1000);
    return steps.find((one) => (data.end - data.start) / one <= 8) || (data.end - data.start) / 8;
  }

  function drawAxis() {
    const axis = make("div", "mc-axis"), every = step();
    const long = every >= 86400e3 ? { month: "2-digit", day: "2-digit" } : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    const format = new Intl.DateTimeFormat(language(), { ...long, timeZone: zone() });
    for (let at = Math.ceil(data.start / every) * every; at < data.end; at += every) {
      const mark = make("span", "", format.format(at));
      mark.style.left = `${(100 * (at - data.start)) / (data.end - data.start)}%`;
      axis.append(mark);
    }
    return axis;
  }

  function draw(root) {
    const byRow = data.rows.map(() => []);
    for (const bar of data.bars) byRow[bar[0]].push(bar);
    const picture = document.createDocumentFragment();
    picture.append(make("div"), drawAxis());
    data.rows.forEach(([name, lanes, address], row) => {
      const height = Math.max(LEAST, lanes * LANE), track = make("div", "mc-track");
      const title = address ? Object.assign(make("a", "mc-link", name), { href: address }) : make("span", "", name);
      title.title = name;
      track.style.height = `${height}px`;
      track.append(...byRow[row].sort((a, b) => a[3] - b[3] || a[1] - b[1]).map((bar) => drawBar(bar, height)));
      picture.append(title, track);
    });
    root.replaceChildren(picture);
    const first = root.querySelector(".mc-bar");
    if (first) first.tabIndex = 0;
  }

  // One stop for Tab; left and right go along the row, up and down to what was there at the same time.
  function next(bar, key) {
    if (key === "ArrowLeft") return bar.previousElementSibling;
    if (key === "ArrowRight") return bar.nextElementSibling;
    const tracks = [...document.querySelectorAll("#timeline .mc-track")], way = key === "ArrowUp" ? -1 : 1;
    for (let row = tracks.indexOf(bar.parentNode) + way; tracks[row]; row += way) {
      const bars = [...tracks[row].children];
      if (bars.length) return bars.reduce((best, one) => (Math.abs(one.bar[3] - bar.bar[3]) < Math.abs(best.bar[3] - bar.bar[3]) ? one : best));
    }
    return null;
  }

  function bubble(root) {
    tip = make("div", "mc-bar-tip");
    hide();
    root.after(tip);
    const show = (element) => {
      const about = describe(element.bar), box = element.getBoundingClientRect();
      tip.replaceChildren(make("strong", "", `${about.name} · ${about.state}`), ...[about.customer, about.devices, about.when].filter(Boolean).map((text) => make("div", "", text)));
      tip.hidden = false;
      tip.style.left = `${Math.min(Math.max(8, box.left), innerWidth - tip.offsetWidth - 8)}px`;
      tip.style.top = `${box.bottom + tip.offsetHeight + 12 > innerHeight ? box.top - tip.offsetHeight - 8 : box.bottom + 8}px`;
    };
    const on = (event) => event.target.classList?.contains("mc-bar") && show(event.target);
    root.addEventListener("mouseover", on);
    root.addEventListener("focusin", on);
    for (const off of ["mouseout", "focusout"]) root.addEventListener(off, hide);
  }

  function listen(root) {
    bubble(root);
    root.addEventListener("keydown", (event) => {
      if (!event.target.bar || !event.key.startsWith("Arrow")) return;
      event.preventDefault();
      const to = next(event.target, event.key);
      if (!to) return;
      event.target.tabIndex = -1;
      to.tabIndex = 0;
      to.scrollIntoView({ block: "nearest" });
      to.focus();
    });
    const table = document.getElementById("timeline-table");
    table.addEventListener("toggle", () => table.open && table.querySelector("tbody").replaceChildren(...data.bars.map((bar) => {
      const about = describe(bar), row = make("tr");
      const cells = [data.rows[bar[0]][0], "", about.customer, about.state, about.devices, about.when].map((text) => make("td", "", text));
      cells[1].append(Object.assign(make("a", "mc-link", about.name), { href: addressOf(bar) }));
      row.append(...cells);
      return row;
    })));
  }

  const keyOf = (bar) => [data.others?.[bar[5]] ? bar[5] : bar[5] ? "job" : "sda", bar[6], bar[3], bar[1]].join(); // also after its row or its end has moved

  function begin() {
    const root = document.getElementById("timeline");
    if (!root || root.firstChild) return;
    data = JSON.parse(document.getElementById("timeline-data").textContent);
    exact = reader();
    draw(root);
    listen(root);
  }

  // The fresh part comes undrawn: the bar with the focus has it again. An open table holds the part still (data-hold).
  let kept = null;
  document.addEventListener("focusin", ({ target }) => { kept = target.bar ? keyOf(target.bar) : null; });
  document.addEventListener("focusout", ({ target }) => setTimeout(() => { if (target.isConnected && target.bar && document.activeElement === document.body) kept = null; }));
  document.addEventListener("live:refreshed", ({ detail }) => {
    if (detail.id !== "timeline-part") return;
    const wanted = kept;
    begin();
    const bar = wanted && [...document.querySelectorAll("#timeline .mc-bar")].find((one) => keyOf(one.bar) === wanted);
    if (bar) { document.querySelector('#timeline .mc-bar[tabindex="0"]').tabIndex = -1; bar.tabIndex = 0; bar.focus({ preventScroll: true }); }
  });
  addEventListener("keydown", (event) => event.key === "Escape" && hide());
  addEventListener("scroll", hide, { passive: true });
  document.addEventListener("DOMContentLoaded", begin);
})();
