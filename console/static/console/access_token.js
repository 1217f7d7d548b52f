// Finds tokens by a part of their description, and opens the rights of one.
(() => {
  "use strict";
  let at = -1;
  let requests = 0;
  const field = () => document.getElementById("access-token");
  const list = () => document.getElementById("access-found");
  const options = () => [...list().querySelectorAll("[data-id]")];

  function open(on) {
    list().hidden = !on;
    field().setAttribute("aria-expanded", String(on));
    if (!on) field().removeAttribute("aria-activedescendant");
  }

  function mark(place) {
    at = place;
    options().forEach((one, number) => one.setAttribute("aria-selected", String(number === at)));
    if (options()[at]) field().setAttribute("aria-activedescendant", options()[at].id);
  }

  function item(token) {
    const made = Object.assign(document.createElement("li"), { id: `access-found-${token.id}`, textContent: token.name });
    made.dataset.id = token.id;
    made.setAttribute("role", "option");
    return made;
  }

  async function search() {
    const text = field().value.trim();
    const mine = ++requests;
    if (!text) return open(false);
    const answer = await fetch(`${field().dataset.src}?${new URLSearchParams({ q: text })}`, { credentials: "same-origin" });
    if (!answer.ok || mine !== requests) return;
    const { tokens } = await answer.json();
    const none = Object.assign(document.createElement("li"), { className: "mc-none", textContent: field().dataset.none });
    list().replaceChildren(...(tokens.length ? tokens.map(item) : [none]));
    open(true);
    mark(0);
  }

  const go = (option) => option && location.assign(`?token=${option.dataset.id}`);

  document.addEventListener("DOMContentLoaded", () => {
    let soon = 0;
    field().addEventListener("input", () => { clearTimeout(soon); soon = setTimeout(search, 150); });
    field().addEventListener("blur", () => setTimeout(() => open(false), 200));
    field().addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) { event.preventDefault(); mark(Math.min(Math.max(at + step, 0), options().length - 1)); }
      if (event.key === "Enter" && !list().hidden) { event.preventDefault(); go(options()[at]); }
      if (event.key === "Escape") open(false);
    });
    list().addEventListener("click", (event) => go(event.target.closest("[data-id]")));
  });
})();
