// The page of the heat map: reads nodes and holders, keeps both up to date, and describes the node under mouse or focus.
(() => {
  "use strict";
  const place = document.getElementById("heat");
  const [ring, tip, announced, broken] = [document.createElement("div"), ...["heat-tip", "heat-announced", "heat-error"].map((id) => document.getElementById(id))];
  const words = JSON.parse(document.getElementById("heat-words").textContent);
  const map = new mcHeat.Squares(place);
  const REST_MS = 3000; // between two readings; more when the server is slow
  let holders = new Map(), owners = {}, current = 0;
  let outdated = false; // holders are a large answer, so they are only read again when a node is pointed at
  ring.className = "mc-ring";
  ring.hidden = true;
  place.append(ring);

  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_all, name) => values[name]);
  const clock = (ms) => new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium", timeZone: document.getElementById("mc-live")?.dataset.zone }).format(ms);

  function describe(i) {
    const { data } = map;
    const states = data.states.slice(i * 5, i * 5 + 5).map((number, at) => number && `${number} ${words.states[at]}`).filter(Boolean);
    const held = holders.get(data.id[i]) || [];
    const lines = [[data.name[i], data.groups[data.group[i]], data.off[i] && words.off].filter(Boolean).join(" · "), states.join(" · ") || words.none];
    for (const [, job, sda, token, since, number] of held.slice(0, 4)) {
      lines.push(fill(job ? words.job : words.reserved, { number: job || sda, customer: owners[token], devices: number, since: clock(since) }));
    }
    if (held.length > 4) lines.push(fill(words.more, { number: held.length - 4 }));
    for (const [id, level, category, content] of data.alerts) {
      if (id === data.id[i]) lines.push(fill(words.alert, { level: words.levels[level], category, content }));
    }
    return lines.join("\n");
  }

  function point(i, aloud) {
    const group = i >= 0 ? map.groupOf(i) : null;
    ring.hidden = tip.hidden = !group;
    if (!group) return;
    current = i;
    if (outdated) changed.add("holders");
    tip.textContent = describe(i);
    if (aloud && announced.textContent !== tip.textContent) announced.textContent = tip.textContent;
    const [x, y] = map.at(i, group);
    const at = group.canvas.getBoundingClientRect(), home = place.getBoundingClientRect();
    const size = `${map.pitch + 3}px`;
    Object.assign(ring.style, { left: `${at.left - home.left + x - 2}px`, top: `${at.top - home.top + y - 2}px`, width: size, height: size });
    const below = at.top + y + map.pitch + 8 + tip.offsetHeight < innerHeight;
    tip.style.left = `${Math.max(8, Math.min(at.left + x, innerWidth - tip.offsetWidth - 24)) + scrollX}px`;
    tip.style.top = `${scrollY + at.top + y + (below ? map.pitch + 8 : -8 - tip.offsetHeight)}px`;
  }

  function go(i) {
    if (i < 0 || i >= map.data.id.length) return;
    const group = map.groupOf(i);
    for (const other of map.groups) other.canvas.tabIndex = other === group ? 0 : -1;
    current = i;
    group.canvas.focus({ preventScroll: true });
    point(i, true);
    ring.scrollIntoView({ block: "nearest" });
  }

  function target(key) {
    const group = map.groupOf(current), at = map.groups.indexOf(group), last = group.first + group.count - 1;
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (step) return current + step;
    if (key === "Home") return group.first;
    if (key === "End") return last;
    if (key === "PageDown") return map.groups[at + 1]?.first ?? -1;
    if (key === "PageUp") return map.groups[at - 1]?.first ?? -1;
    if (key === "ArrowDown") return current + map.columns <= last ? current + map.columns : (map.groups[at + 1]?.first ?? -1);
    return current - map.columns >= group.first ? current - map.columns : (map.groups[at - 1]?.first ?? -1);
  }

  const open = (i) => location.assign(place.dataset.page.replace("{id}", map.data.id[i]));

  function listen(group) {
    const { canvas } = group;
    canvas.tabIndex = current >= group.first && current < group.first + group.count ? 0 : -1;
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-roledescription", place.dataset.role);
    canvas.setAttribute("aria-label", `${group.name}, ${fill(words.nodes, { number: group.count })}. ${place.dataset.keys}`);
    canvas.addEventListener("mousemove", (event) => point(map.under(group, event.offsetX, event.offsetY)));
    canvas.addEventListener("mouseleave", () => point(document.activeElement === canvas ? current : -1));
    canvas.addEventListener("click", (event) => { const i = map.under(group, event.offsetX, event.offsetY); if (i >= 0) open(i); });
    canvas.addEventListener("focus", () => point(current >= group.first && current < group.first + group.count ? current : group.first, true));
    canvas.addEventListener("blur", () => point(-1));
    canvas.addEventListener("keydown", (event) => {
      if (event.key === "Enter") open(current);
      else if (event.key === "Escape") point(-1);
      else if (/^(Arrow|Page|Home|End)/.test(event.key)) go(target(event.key));
      else return;
      event.preventDefault();
    });
  }

  function drawn() {
    document.getElementById("heat-count").textContent = fill(words.nodes, { number: map.data.id.length.toLocaleString() });
    document.getElementById("heat-empty").hidden = map.data.id.length > 0;
    current = Math.min(current, Math.max(0, map.data.id.length - 1));
    map.groups.filter((group) => !group.canvas.hasAttribute("role")).forEach(listen);
  }

  const read = {
    nodes: (data) => { map.show(data); drawn(); },
    holders: (data) => {
      outdated = false;
      owners = data.owners;
      holders = new Map();
      for (const row of data.held) holders.get(row[0])?.push(row) ?? holders.set(row[0], [row]);
    },
  };

  async function fetchPart(part) {
    try {
      const answer = await fetch(place.dataset[part]);
      if (answer.redirected) return location.reload();
      if (!answer.ok) throw new Error(answer.status);
      read[part](await answer.json());
      broken.hidden = true;
    } catch {
      broken.textContent = words.failed;
      broken.hidden = false;
      changed.add(part);
    }
    if (!ring.hidden && map.data) point(current, part === "holders" && map.groupOf(current).canvas === document.activeElement);
  }

  const changed = new Set();
  async function keep() {
    const begun = performance.now();
    for (const part of document.hidden ? [] : [...changed]) { changed.delete(part); await fetchPart(part); }
    setTimeout(keep, Math.max(REST_MS, 5 * (performance.now() - begun)));
  }

  for (const topic of ["nodes", "alerts"]) document.addEventListener(`live:${topic}`, () => changed.add("nodes"));
  document.addEventListener("live:jobs", () => { outdated = true; });
  const again = () => { mcHeat.swatches(); if (map.data) { map.draw(); drawn(); point(-1); } };
  new MutationObserver(again).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
  let width = place.clientWidth;
  new ResizeObserver(() => { if (place.clientWidth !== width) { width = place.clientWidth; again(); } }).observe(place);

  mcHeat.swatches();
  fetchPart("nodes").then(() => {
    requestAnimationFrame(() => setTimeout(() => performance.mark("heat:drawn"))); // after it was painted
    return fetchPart("holders");
  }).then(keep);
})();
