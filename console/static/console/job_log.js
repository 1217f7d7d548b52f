// The output of a job: the end of it for all nodes or one, and what follows while somebody looks. Only text is shown.
(() => {
  "use strict";
  const PAUSE_MS = 1000;
  const AWAY_MS = 10000; // between two looks at nodes of which none can be read
  const MOST = 400000; // characters of a node that stay on the page
  const root = document.getElementById("job-output");
  if (!root) return;
  const [select, follow, link] = [root.querySelector("select"), root.querySelector("[name=follow]"), root.querySelector("a")];
  const [state, parts] = [root.querySelector("[role=status]"), root.querySelector(".mc-output-parts")];
  const file = link.getAttribute("href");
  let places = new Map(); // id of a worker: { next, live, more, away }
  let nodes = "";
  let turn = 0;

  function part(piece) {
    const known = document.getElementById(`output-${piece.id}`);
    if (known) return known;
    const made = document.createElement("section");
    made.id = `output-${piece.id}`;
    const [title, note, text] = ["h3", "p", "pre"].map((name) => made.appendChild(document.createElement(name)));
    title.textContent = piece.title;
    note.hidden = true;
    text.tabIndex = 0;
    text.setAttribute("role", "region");
    text.setAttribute("aria-label", piece.title);
    text.dataset.empty = root.dataset.empty;
    return parts.appendChild(made);
  }

  function show(piece) {
    const [, note, text] = part(piece).children;
    const atEnd = text.scrollHeight - text.scrollTop - text.clientHeight < 30;
    if (piece.text) text.append(piece.text);
    if (text.textContent.length > MOST) text.textContent = text.textContent.slice(-MOST / 2).replace(/^.*\n/, "");
    note.textContent = piece.note;
    note.hidden = !piece.note;
    if (atEnd) text.scrollTop = text.scrollHeight;
    places.set(piece.id, piece);
  }

  function list(answer) {
    const now = JSON.stringify(answer.nodes);
    if (now === nodes) return;
    nodes = now;
    const chosen = select.value;
    const options = answer.nodes.map((node) => new Option(node.title, node.id));
    if (answer.all) options.unshift(new Option(root.dataset.all, ""));
    select.replaceChildren(...options);
    if (options.some((option) => option.value === chosen)) select.value = chosen;
  }

  async function ask(more) {
    const query = new URLSearchParams(more);
    if (select.value) query.set("worker", select.value);
    const answer = await fetch(`${root.dataset.src}?${query}`, { credentials: "same-origin" });
    if (answer.redirected) location.reload();
    if (!answer.ok) throw new Error(answer.status);
    return answer.json();
  }

  async function begin() {
    const mine = ++turn;
    places = new Map();
    link.href = select.value ? `${file}?worker=${select.value}` : file;
    try {
      const answer = await ask({});
      if (mine !== turn) return;
      list(answer);
      parts.replaceChildren();
      answer.pieces.forEach(show);
      state.textContent = answer.note;
    } catch {
      state.textContent = root.dataset.failed;
    }
    root.dataset.ready = "";
    goOn(mine);
  }

  function goOn(mine) {
    const open = [...places.values()].filter((place) => place.live || place.more || place.away);
    if (mine !== turn || !open.length) return;
    const near = open.filter((place) => !place.away);
    const pause = near.some((place) => place.more) ? 0 : near.length ? PAUSE_MS : AWAY_MS;
    setTimeout(() => next(mine, open), pause);
  }

  async function next(mine, open) {
    if (mine !== turn) return;
    if (document.hidden || !follow.checked) return setTimeout(() => next(mine, open), PAUSE_MS);
    try {
      const answer = await ask({ from: open.map((place) => `${place.id}:${place.next}`).join() });
      if (mine !== turn) return;
      answer.pieces.forEach(show);
      state.textContent = answer.note;
    } catch {
      state.textContent = root.dataset.failed;
    }
    goOn(mine);
  }

  async function look() {
    // The job may have workers now, or others than before.
    if (document.hidden) return;
    try {
      const before = nodes;
      const answer = await ask({ list: "" });
      list(answer);
      if (nodes !== before) begin();
    } catch { /* the next change of the job tries again */ }
  }

  select.addEventListener("change", begin);
  document.addEventListener("live:jobs", () => root.dataset.ready !== undefined && look());
  begin();
})();
