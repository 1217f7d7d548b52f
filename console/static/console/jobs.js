// The jobs page: it previews a new priority before it calls REST; undo, cancel, and ticked rows.
window.Jobs = (() => {
  "use strict";
  const id = (name) => document.getElementById(name);
  const words = () => JSON.parse(id("jobs-words").textContent);
  const fill = (shape, values) => shape.replace(/%\((\w+)\)s/g, (_, name) => values[name]);
  const csrf = () => document.querySelector("#jobs-bulk [name=csrfmiddlewaretoken]").value;
  const rowOf = (job) => document.querySelector(`#jobs-queue tr[data-job="${job}"]`);

  async function call(address, options = {}) {
    let answer, body;
    try {
      answer = await fetch(address, { credentials: "same-origin", ...options });
      body = await answer.json();
    } catch {
      throw new Error(words().failed);
    }
    if (!answer.ok) throw Object.assign(new Error(body.message || words().failed), { code: body.code });
    return body;
  }

  function write(method, data) {
    const headers = { "Content-Type": "application/json", "X-CSRFToken": csrf() };
    return call(id("jobs-move").dataset.queue, { method, headers, body: JSON.stringify(data) });
  }

  function ask(dialog) {
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }));
  }

  // Ask again, with the facts of now, when they are no longer those that the operator agreed to.
  async function retried(act) {
    for (let again = false; ; again = true) {
      try {
        return await act(again);
      } catch (error) {
        if (error.code !== "CONFLICT") throw error;
      }
    }
  }

  function announce(text, undo) {
    const bar = id("jobs-status"), button = bar.querySelector("button");
    bar.hidden = !text;
    bar.querySelector("span").textContent = text;
    button.hidden = !undo;
    button.onclick = undo || null;
  }

  function showError(job, text) {
    const row = rowOf(job);
    if (!row) return announce(text);
    row.querySelector(".mc-complaint")?.remove();
    const note = document.createElement("p");
    note.className = "mc-error mc-complaint";
    note.setAttribute("role", "alert");
    note.textContent = text;
    row.querySelector(".mc-why").prepend(note);
    hold(row, "complaint", 15000);
  }

  // While a row is in use, the table is not renewed; an error stays long enough to be read.
  function hold(row, reason, ms) {
    row.dataset.busy = reason;
    if (ms) setTimeout(() => row.dataset.busy === reason && row.removeAttribute("data-busy"), ms);
  }

  async function change(job, priority, before, title) {
    await write("PUT", { id: job, priority, expectedPriority: before });
    announce(fill(words().changed, { title, old: before, new: priority }), async () => {
      try { await change(job, before, priority, title); } catch (error) { showError(job, error.message); }
    });
  }

  // `target` is {priority: n}, {before: job} or {behind: job}; returns whether the change was made.
  async function propose(job, target) {
    const dialog = id("jobs-move");
    const address = dialog.dataset.outlook.replace("/0/", `/${job}/`) + "?" + new URLSearchParams(target);
    try {
      return await retried(async (again) => {
        const effect = await call(address);
        if (dialog.open || effect.priority === effect.before) return false;
        dialog.querySelector("h2").textContent = effect.title;
        const says = again ? [words().again, ...effect.says] : effect.says;
        dialog.querySelector("ul").replaceChildren(...says.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
        if (!(await ask(dialog))) return false;
        await change(job, effect.priority, effect.before, effect.title);
        return true;
      });
    } catch (error) {
      showError(job, error.message);
      return false;
    }
  }

  async function cancel(button) {
    const row = button.closest("tr"), job = Number(row.dataset.job), dialog = id("jobs-cancel"), values = { job, ...button.dataset };
    dialog.querySelector("h2").textContent = fill(words().job, values);
    dialog.querySelector("[data-of=running]").textContent = fill(words().stops, values);
    let waits = "waits" in row.dataset;
    try {
      await retried(async (again) => {
        waits = again ? !waits : waits;
        const shown = [waits ? "waiting" : "running", again && "again"];
        for (const part of dialog.querySelectorAll("[data-of]")) part.hidden = !shown.includes(part.dataset.of);
        if (!(await ask(dialog))) return;
        await write("DELETE", { id: job, isWeb: true, expectedStatus: waits ? "waiting" : "running" });
        announce(fill(words().canceled, values));
      });
    } catch (error) {
      showError(job, error.message);
    }
  }

  function ticked() {
    const boxes = [...document.querySelectorAll("#jobs-queue input[name=_selected_action]")];
    const chosen = boxes.filter((box) => box.checked).length, all = id("jobs-all");
    const across = all.getAttribute("aria-pressed") === "true";
    const number = id("jobs-queue").dataset.number;
    all.textContent = fill(words().all, { number });
    id("jobs-ticked").textContent = fill(words().ticked, { number: across ? number : chosen });
    for (const button of id("jobs-bulk").querySelectorAll("[name=action]")) button.disabled = !chosen && !across;
    const every = document.querySelector("#jobs-queue [data-tick-all]");
    if (every) every.checked = chosen > 0 && chosen === boxes.length;
  }

  function across(on) {
    const all = id("jobs-all"), form = id("jobs-bulk");
    all.setAttribute("aria-pressed", on);
    form.elements.select_across.value = on ? "1" : "0";
    form.querySelector("input[data-any]")?.remove();
    const any = Object.assign(document.createElement("input"), { type: "hidden", name: "_selected_action", value: "0" });
    any.dataset.any = ""; // the admin wants a ticked row even when all are meant
    if (on) form.append(any);
    ticked();
  }

  function listen() {
    document.addEventListener("submit", (event) => {
      const form = event.target.closest(".mc-priority");
      if (!form) return;
      event.preventDefault();
      const job = Number(form.closest("tr").dataset.job), field = form.elements.priority;
      field.blur();
      propose(job, { priority: field.value }).then((done) => { if (!done) field.value = field.defaultValue; });
    });
    document.addEventListener("click", (event) => {
      const button = event.target.closest("#jobs-queue [data-cancel]");
      if (button) cancel(button);
      if (event.target.id === "jobs-all") across(event.target.getAttribute("aria-pressed") !== "true");
    });
    document.addEventListener("change", (event) => {
      if (event.target.matches("[data-tick-all]"))
        for (const box of document.querySelectorAll("#jobs-queue input[name=_selected_action]")) box.checked = event.target.checked;
      if (event.target.closest("#jobs-queue") && event.target.type === "checkbox") across(false);
    });
    document.addEventListener("live:refreshed", ticked);
    ticked();
  }

  document.addEventListener("DOMContentLoaded", () => id("jobs-words") && listen());
  return { propose, hold, words, fill };
})();
