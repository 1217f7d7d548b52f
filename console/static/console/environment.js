// Lines of a name and a value: adds and removes them, and takes a pasted file of NAME=value lines apart.
(() => {
  "use strict";
  const box = (at) => at.closest("[data-environment]");
  const lines = (within) => [...within.querySelectorAll(":scope > div")];
  const fields = (line) => line.querySelectorAll("input");

  function add(within, name = "", value = "") {
    const line = lines(within)[0].cloneNode(true);
    [fields(line)[0].value, fields(line)[1].value] = [name, value];
    lines(within).at(-1).after(line);
    return line;
  }

  function remove(line) {
    const within = box(line);
    if (lines(within).length === 1) add(within);
    const next = line.nextElementSibling;
    line.remove();
    (next.querySelector("input") || next).focus();
  }

  function paste(event) {
    const pairs = event.clipboardData.getData("text").split(/\r?\n/).map((text) => /^\s*(?:export\s+)?([^\s=#][^\s=]*)=(.*)$/.exec(text)).filter(Boolean);
    if (!event.target.name.endsWith("-name") || !pairs.length) return;
    event.preventDefault();
    const within = box(event.target);
    for (const [, name, value] of pairs) add(within, name, value.replace(/^(["'])(.*)\1$/, "$2"));
    lines(within).filter((line) => !fields(line)[0].value && !fields(line)[1].value).forEach((line) => line.remove());
  }

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-environment] [data-add]")) fields(add(box(event.target)))[0].focus();
    const gone = event.target.closest("[data-environment] [data-remove]");
    if (gone) remove(gone.parentElement);
  });
  document.addEventListener("paste", (event) => event.target.matches?.("[data-environment] input") && paste(event));
})();
