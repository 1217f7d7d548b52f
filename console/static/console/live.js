// Keeps the parts of a page up to date: <section id="cards" data-live="nodes jobs" data-src="…"> is fetched again
// when one of its topics has changed. Without data-src it is taken out of the page's own address.
(() => {
  "use strict";
  const REST_MS = 2000; // between two refreshes of one part
  const SILENCE_MS = 12000; // the server beats every 5 s
  const POLL_MS = 5000;
  const known = {};
  const dirty = new Set();
  let heard = 0;
  let source = null;
  let polling = 0;

  const parts = () => document.querySelectorAll("[data-live][id]:not(#mc-live)");
  const mark = () => document.getElementById("mc-live");

  function setState(state) {
    const shown = mark();
    if (shown && shown.dataset.state !== state) {
      shown.dataset.state = state;
      shown.textContent = shown.dataset[state];
    }
  }

  function take(pulse) {
    heard = Date.now();
    for (const [topic, sign] of Object.entries(pulse)) {
      if (known[topic] !== sign) {
        for (const part of parts()) if (part.dataset.live.split(" ").includes(topic)) dirty.add(part.id);
        document.dispatchEvent(new CustomEvent("live:" + topic));
      }
      known[topic] = sign;
    }
  }

  function busy(part) {
    // What somebody is using stays as it is until it is left: a field with the cursor, ticked rows, an open menu.
    const at = document.activeElement;
    if (part.contains(at) && at.matches("input:not([type=checkbox]), select, textarea")) return true;
    if (!("keep" in part.dataset) && part.querySelector("input[type=checkbox]:checked")) return true;
    return part.querySelector("[data-busy], details[open][data-hold]") !== null;
  }

  // A part with data-keep keeps its ticks; where it has the same pieces (data-piece), only those that differ are exchanged.
  function exchange(part, fresh) {
    const ticked = new Set([...part.querySelectorAll("input[type=checkbox]:checked")].map((box) => box.value));
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    const old = [...part.querySelectorAll("[data-piece]")];
    const now = [...fresh.querySelectorAll("[data-piece]")];
    const same = old.length && old.map((piece) => piece.id).join() === now.map((piece) => piece.id).join();
    if (same) old.forEach((piece, place) => piece.outerHTML !== now[place].outerHTML && piece.replaceWith(now[place]));
    else part.replaceWith(fresh);
    const shown = same ? part : fresh;
    if ("keep" in shown.dataset) for (const box of shown.querySelectorAll("input[type=checkbox]")) box.checked ||= ticked.has(box.value);
    if (focused && !focused.isConnected) again(shown, focused)?.focus({ preventScroll: true });
    return shown;
  }

  function again(part, gone) {
    if (gone.id) return document.getElementById(gone.id);
    const name = gone.matches("input") ? "value" : "href";
    return gone.hasAttribute(name) ? part.querySelector(`[${name}="${CSS.escape(gone.getAttribute(name))}"]`) : null;
  }

  async function refresh(part) {
    const address = part.dataset.src || location.href;
    const answer = await fetch(address, { headers: { "X-Live-Part": part.id }, credentials: "same-origin" });
    if (answer.redirected && new URL(answer.url).pathname.includes("/login")) return location.reload();
    if (!answer.ok) throw new Error(answer.status);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById(part.id);
    if (!fresh || fresh.innerHTML === part.innerHTML) return;
    const shown = exchange(part, fresh);
    const boxes = shown.querySelectorAll("tr input.action-select");
    if (boxes.length && window.Actions) window.Actions(boxes); // Django's own, bound to the rows that are gone
    document.dispatchEvent(new CustomEvent("live:refreshed", { detail: shown }));
  }

  async function renew(id) {
    const part = document.getElementById(id);
    if (!part || (document.hidden && !("later" in part.dataset)) || busy(part)) return;
    dirty.delete(id);
    try {
      await refresh(part);
    } catch {
      dirty.add(id);
      setState("stale");
    }
  }

  async function work() {
    for (const id of [...dirty]) await renew(id);
    setTimeout(work, REST_MS);
  }

  // A value becomes old without any news: data-old-in is the number of seconds after which its part must be fetched again.
  const born = new WeakMap();
  function age() {
    const now = performance.now();
    for (const place of document.querySelectorAll("[data-live][id]:not(#mc-live) [data-old-in]")) {
      if (!born.has(place)) born.set(place, now);
      if (now - born.get(place) < Number(place.dataset.oldIn) * 1000) continue;
      born.set(place, now);
      dirty.add(place.closest("[data-live][id]").id);
    }
  }

  // What takes long is left out of the page (data-later) and fetched as soon as the page stands, all of it at once.
  async function begin() {
    const later = [...parts()].filter((part) => "later" in part.dataset).map((part) => part.id);
    later.forEach((id) => dirty.add(id));
    await Promise.all(later.map(renew));
    setTimeout(work, REST_MS);
  }

  async function poll() {
    try {
      const answer = await fetch(mark().dataset.pulse, { credentials: "same-origin" });
      if (answer.ok) take(await answer.json());
      setState(answer.ok ? "polling" : "stale");
    } catch {
      setState("stale");
    }
  }

  function fallBack(on) {
    if (on && !polling) polling = setInterval(poll, POLL_MS);
    if (!on && polling) polling = clearInterval(polling) || 0;
  }

  function connect() {
    source = new EventSource(mark().dataset.stream);
    source.addEventListener("pulse", (event) => {
      fallBack(false);
      setState("live");
      take(JSON.parse(event.data));
    });
    source.onerror = () => {
      fallBack(true);
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, 30000);
    };
  }

  document.addEventListener("DOMContentLoaded", () => {
    if (!mark()) return;
    Object.assign(known, JSON.parse(mark().dataset.known)); // as of just before the page was made
    connect();
    setInterval(() => Date.now() - heard > SILENCE_MS && setState("stale"), 1000);
    setInterval(age, 1000);
    begin();
  });
  addEventListener("pagehide", () => source && source.close());
})();
