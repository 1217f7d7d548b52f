// The picture of who may use what: draws the lines between the groups, shows what one of them reaches, filters, and
// switches to the lists. What changes it is in access_edit.js. A group's key is u, g or b and its number.
(() => {
  "use strict";
  const SVG = "http://www.w3.org/2000/svg";
  const state = { chosen: "", pointed: "", focused: "", view: "picture" };
  const root = () => document.getElementById("access");
  const picture = () => document.getElementById("access-picture");
  const groups = () => [...picture().querySelectorAll(".mc-group")];
  const group = (key) => picture().querySelector(`.mc-group[data-key="${CSS.escape(key)}"]`);
  const linked = (item) => item.dataset.to.split(" ").filter(Boolean);

  function links() {
    return groups().flatMap((item) => linked(item).map((to) => [item.dataset.key, to]));
  }

  function reach(starts) {
    // Follow the lines from these groups to the right and to the left.
    const all = links();
    const found = new Set(starts);
    for (const [ahead, behind] of [[0, 1], [1, 0]]) {
      let edge = [...starts];
      while (edge.length) {
        edge = all.filter((one) => edge.includes(one[ahead])).map((one) => one[behind]).filter((key) => !found.has(key) || starts.includes(key));
        edge.forEach((key) => found.add(key));
      }
    }
    return found;
  }

  function lit() {
    const at = state.pointed || state.chosen;
    if (at) return reach([at]);
    const token = document.getElementById("access-of");
    if (!token) return null;
    const starts = [...token.dataset.groups.split(" ").filter(Boolean), ...(group("u0") ? ["u0"] : [])];
    const all = links();
    const found = new Set(starts);
    for (const column of ["u", "g"]) all.forEach(([from, to]) => from.startsWith(column) && found.has(from) && found.add(to));
    return found;
  }

  function paint() {
    const on = lit();
    for (const item of groups()) {
      item.classList.toggle("mc-lit", !!on?.has(item.dataset.key));
      item.classList.toggle("mc-dim", !!on && !on.has(item.dataset.key));
      item.querySelector(".mc-pick").setAttribute("aria-pressed", String(item.dataset.key === state.chosen));
    }
    draw(on);
  }

  function side(item, right) {
    // Where a line meets a group: in the middle of its edge, or at the edge of its column when it is scrolled away.
    const frame = picture().getBoundingClientRect();
    const list = item.parentElement.getBoundingClientRect();
    const box = item.getBoundingClientRect();
    const middle = box.top + Math.min(box.height / 2, 24);
    const y = Math.min(Math.max(middle, list.top), list.bottom);
    return { x: (right ? box.right : box.left) - frame.left, y: y - frame.top, away: y !== middle };
  }

  function draw(on = lit()) {
    const svg = picture().querySelector("svg");
    const lines = [];
    for (const [from, to] of links()) {
      const [left, right] = [group(from), group(to)];
      if (!left || !right || left.hidden || right.hidden) continue;
      const [a, b] = [side(left, true), side(right, false)];
      if (a.away && b.away) continue;
      const line = document.createElementNS(SVG, "path");
      const bend = (b.x - a.x) / 2;
      line.setAttribute("d", `M${a.x},${a.y} C${a.x + bend},${a.y} ${b.x - bend},${b.y} ${b.x},${b.y}`);
      const bright = on?.has(from) && on.has(to);
      line.setAttribute("class", (bright ? "mc-lit" : on ? "mc-dim" : "") + (a.away || b.away ? " mc-away" : ""));
      lines[bright ? "push" : "unshift"](line);
    }
    svg.replaceChildren(...lines);
  }

  function sort() {
    // What the chosen group is joined with stands first, so that nobody looks for it among hundreds.
    const on = state.chosen ? reach([state.chosen]) : null;
    for (const list of picture().querySelectorAll(".mc-column > ul")) {
      const items = [...list.children];
      items.forEach((item, place) => { item.dataset.place ??= place; });
      const rank = (item) => (on?.has(item.dataset.key) && item.dataset.key[0] !== state.chosen[0] ? 0 : 1);
      const wished = [...items].sort((a, b) => rank(a) - rank(b) || a.dataset.place - b.dataset.place);
      if (wished.some((item, place) => item !== items[place])) list.append(...wished);
    }
  }

  function filter() {
    const text = document.getElementById("access-filter").value.trim().toLowerCase();
    const hits = groups().filter((item) => item.textContent.toLowerCase().includes(text)).map((item) => item.dataset.key);
    const near = new Set(hits);
    if (text) hits.forEach((key) => reach([key]).forEach((other) => near.add(other)));
    for (const item of groups()) item.hidden = !near.has(item.dataset.key);
    for (const row of document.querySelectorAll("#access-lists tbody tr")) row.hidden = !row.textContent.toLowerCase().includes(text);
  }

  function show(view) {
    state.view = view;
    document.querySelectorAll("[data-view]").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.view === view)));
    picture().hidden = view !== "picture";
    document.getElementById("access-lists").hidden = view === "picture";
  }

  function choose(key) {
    state.chosen = state.chosen === key ? "" : key;
    const had = document.activeElement;
    sort();
    if (had?.isConnected) had.focus({ preventScroll: true });
    document.dispatchEvent(new CustomEvent("access:chosen", { detail: state.chosen }));
    paint();
  }

  function renew() {
    if (state.chosen && !group(state.chosen)) state.chosen = "";
    show(state.view);
    sort();
    filter();
    document.dispatchEvent(new CustomEvent("access:chosen", { detail: state.chosen }));
    paint();
    const lost = document.activeElement === document.body && state.focused;
    if (lost) (root().querySelector(`${state.focused}:not([hidden])`) || group(state.chosen)?.querySelector(".mc-pick"))?.focus({ preventScroll: true });
    picture().querySelectorAll(".mc-column > ul").forEach((list) => list.addEventListener("scroll", () => requestAnimationFrame(() => draw()), { passive: true }));
  }

  function focus(target) {
    const item = target.closest(".mc-group");
    state.focused = item ? `[data-key="${item.dataset.key}"] ${target.dataset.do ? `[data-do="${target.dataset.do}"]` : ".mc-pick"}` : target.id ? `#${target.id}` : "";
  }

  document.addEventListener("DOMContentLoaded", () => {
    const within = (event) => event.target.closest?.("#access-picture .mc-group")?.dataset.key || "";
    const point = (key) => { if (state.pointed !== key) { state.pointed = key; paint(); } };
    document.addEventListener("mouseover", (event) => root().contains(event.target) && point(within(event)));
    document.addEventListener("focusin", (event) => { if (root().contains(event.target)) { focus(event.target); point(state.chosen ? "" : within(event)); } });
    document.addEventListener("click", (event) => {
      const view = event.target.closest("[data-view]");
      if (view) { show(view.dataset.view); paint(); }
      const pick = event.target.closest("#access-picture .mc-pick");
      if (pick) { state.pointed = ""; choose(pick.closest(".mc-group").dataset.key); }
    });
    document.addEventListener("keydown", (event) => { if (event.key === "Escape" && state.chosen && !document.querySelector("dialog[open]")) choose(state.chosen); });
    document.getElementById("access-filter").addEventListener("input", () => { filter(); draw(); });
    document.addEventListener("live:refreshed", (event) => event.detail.id === "access" && renew());
    addEventListener("resize", () => requestAnimationFrame(() => draw()));
    document.getElementById("access-tools").dataset.ready = "";
    renew();
  });
})();
