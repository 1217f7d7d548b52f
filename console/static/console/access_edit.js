// Changes access rights through the REST API. It asks before it takes a right away, shows a refusal next to the button,
// and can undo the last change.
(() => {
  "use strict";
  let undo = null;
  const root = () => document.getElementById("access");
  const word = (name, parts = {}) => Object.entries(parts).reduce((text, [key, value]) => text.replace(`{${key}}`, value), root().dataset[name]);
  const number = (key) => Number(key.slice(1));
  const csrf = () => document.querySelector("input[name=csrfmiddlewaretoken]").value;
  const call = (method, path, body) => ({ method, path: "/api/v2/" + path, body });

  // Every change: the call, the call that undoes it, the question to ask first, and the message when it is done.
  const membership = (user, group, give) => ({
    now: call(give ? "POST" : "DELETE", "membership", { parentId: user.id, childId: group.id }),
    back: call(give ? "DELETE" : "POST", "membership", { parentId: user.id, childId: group.id }),
    question: give ? null : ["membership", user.id, group.id], names: [user, group], verb: word("take"),
    done: word(give ? "may" : "mayNot", { user: user.name, group: group.name }),
  });
  const grouping = (model, group, put) => ({
    now: call(put ? "POST" : "DELETE", "sdamodel/grouping", { sdamodel: model.id, group: group.id }),
    back: put && model.open ? null : call(put ? "DELETE" : "POST", "sdamodel/grouping", { sdamodel: model.id, group: group.id }),
    question: [put ? "model-in" : "model-out", model.id, group.id], names: [model, group], verb: word(put ? "put" : "out"), note: put && model.open ? word("closes") : "",
    done: word(put ? "isIn" : "isOut", { one: model.name, group: group.name }),
  });
  const moving = (group, from, to) => ({
    now: call("PUT", "sdamodel/group", { id: group.id, groupId: to.id }),
    back: call("PUT", "sdamodel/group", { id: group.id, groupId: from }),
    question: ["move", group.id, to.id], names: [group, to], verb: word("move"), done: word("moved", { group: group.name, nodes: to.name }),
  });
  const belonging = (token, group, join) => ({
    now: call(join ? "POST" : "DELETE", "token/grouping", { tokenId: token.id, group: group.id }),
    back: call(join ? "DELETE" : "POST", "token/grouping", { tokenId: token.id, group: group.id }),
    question: join ? null : ["token", token.id, group.id], names: [token, group], verb: word("out"), done: word(join ? "isIn" : "isOut", { one: token.name, group: group.name }),
  });

  async function send({ method, path, body }) {
    const headers = { "Content-Type": "application/json", "X-CSRFToken": csrf(), "Accept-Language": document.documentElement.lang };
    const answer = await fetch(path, { method, headers, body: JSON.stringify(body), credentials: "same-origin" });
    if (!answer.ok) throw new Error((await answer.json()).message);
  }

  async function confirmed({ question, names, verb, note }) {
    if (!question) return true;
    const [kind, a, b] = question;
    const answer = await fetch(`${root().dataset.question}?${new URLSearchParams({ kind, a, b })}`, { credentials: "same-origin" });
    if (!answer.ok) throw new Error(word("failed"));
    const effect = await answer.json();
    if (!effect.tokens && !note) return true;
    const dialog = document.getElementById("access-confirm");
    document.getElementById("access-title").textContent = `${verb}: ${names.map((one) => one.name).join(", ")}`;
    document.getElementById("access-summary").textContent = [effect.says, note].filter(Boolean).join(" ");
    dialog.querySelector("ul").replaceChildren(...effect.losses.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
    dialog.querySelector(".mc-danger").textContent = verb;
    dialog.returnValue = "no";
    dialog.showModal();
    await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
    return dialog.returnValue === "yes";
  }

  async function renew() {
    const page = new DOMParser().parseFromString(await (await fetch(location.href, { credentials: "same-origin" })).text(), "text/html");
    const fresh = page.getElementById("access");
    root().replaceWith(fresh);
    document.dispatchEvent(new CustomEvent("live:refreshed", { detail: fresh }));
  }

  function showError(place, text) {
    document.querySelectorAll("#access .mc-error").forEach((old) => old.remove());
    const note = Object.assign(document.createElement("p"), { className: "mc-error", textContent: text });
    note.setAttribute("role", "alert");
    const row = place.closest("tr");
    if (row) place.parentElement.append(note);
    else (place.closest(".mc-group, form, #access-of") || root()).append(note);
  }

  function announce(text, back) {
    const bar = document.getElementById("access-status");
    bar.hidden = false;
    bar.querySelector("span").textContent = text;
    bar.querySelector("button").hidden = !back;
    undo = back;
  }

  async function carryOut(change, place) {
    place.disabled = true;
    try {
      if (!(await confirmed(change))) return;
      await send(change.now);
      announce(change.done, change.back);
      await renew();
    } catch (error) {
      showError(place, error.message || word("failed"));
    } finally {
      place.disabled = false;
      if (place.isConnected) place.focus({ preventScroll: true });
    }
  }

  async function undoLast(button) {
    const back = undo;
    try {
      await send(back);
      announce(word("undone"), null);
      await renew();
    } catch (error) {
      showError(button, error.message || word("failed"));
    }
  }

  function button(kind, text, label) {
    const made = Object.assign(document.createElement("button"), { type: "button", className: "mc-button mc-do", textContent: text });
    made.dataset.do = kind;
    made.setAttribute("aria-label", label);
    return made;
  }

  const about = (item) => ({ id: number(item.dataset.key), name: item.dataset.name });
  const find = (key) => document.querySelector(`#access-picture [data-key="${key}"]`);
  const joined = (left, right) => left.dataset.to.split(" ").includes(right.dataset.key);

  function offer(key) {
    // Beside every group that the chosen one can be joined with stands what can be done.
    const chosen = key && find(key);
    document.querySelectorAll("#access-picture .mc-do, #access-picture .mc-into").forEach((old) => old.remove());
    if (!chosen || !("writes" in root().dataset) || number(key) === 0 && key[0] !== "b") return;
    for (const item of document.querySelectorAll("#access-picture .mc-group")) {
      const pair = [chosen, item].sort((a, b) => "ugb".indexOf(a.dataset.key[0]) - "ugb".indexOf(b.dataset.key[0]));
      const kinds = pair.map((one) => one.dataset.key[0]).join("");
      if (item.dataset.key === "u0" || item.dataset.key === "g0") continue;
      const is = joined(...pair);
      const label = (verb) => `${verb}: ${pair[0].dataset.name}, ${pair[1].dataset.name}`;
      if (kinds === "ug") item.firstElementChild.after(button(is ? "take" : "give", word(is ? "take" : "give"), label(word(is ? "take" : "give"))));
      if (kinds === "gb" && !is) item.firstElementChild.after(button("move", word("move"), label(word("move"))));
    }
    if (key[0] === "g") offerModels(chosen);
  }

  function offerModels(chosen) {
    for (const model of chosen.querySelectorAll("[data-model]")) model.append(button("out", "×", `${word("out")}: ${model.dataset.name}`));
    const inside = [...chosen.querySelectorAll("[data-model]")].map((one) => one.dataset.model);
    const row = Object.assign(document.createElement("div"), { className: "mc-into" });
    const choice = Object.assign(document.createElement("select"), { id: "access-into" });
    choice.setAttribute("aria-label", document.querySelector("label[for=list-model]").textContent);
    choice.append(...[...document.getElementById("list-model").options].filter((one) => !inside.includes(one.value)).map((one) => one.cloneNode(true)));
    if (!choice.options.length) return;
    row.append(choice, button("put", word("put"), `${word("put")}: ${chosen.dataset.name}`));
    chosen.append(row);
  }

  const option = (select) => ({ id: Number(select.value), name: select.selectedOptions[0].textContent, open: "open" in select.selectedOptions[0].dataset });

  function inPicture(pressed) {
    const item = pressed.closest(".mc-group");
    const chosen = document.querySelector("#access-picture .mc-pick[aria-pressed=true]").closest(".mc-group");
    const of = (kind) => [item, chosen].find((one) => one.dataset.key[0] === kind);
    if (pressed.dataset.do === "out") return grouping(named(pressed.closest("[data-model]"), "model"), about(item), false);
    if (pressed.dataset.do === "put") return grouping(option(item.querySelector("select")), about(item), true);
    if (pressed.dataset.do === "move") return moving(about(of("g")), number(of("g").dataset.to.trim()), about(of("b")));
    return membership(about(of("u")), about(of("g")), pressed.dataset.do === "give");
  }

  const named = (item, kind) => ({ id: Number(item.dataset[kind]), name: item.dataset.name, open: false });

  function inLists(pressed) {
    const row = pressed.closest("tr");
    if (pressed.dataset.do === "out") return grouping(named(pressed.closest("[data-model]"), "model"), named(row, "group"), false);
    return membership({ id: Number(row.dataset.user), name: row.dataset.userName }, named(row, "group"), false);
  }

  function ofToken(pressed) {
    const token = named(document.getElementById("access-of"), "token");
    if (pressed.dataset.do === "join") return belonging(token, option(document.getElementById("access-join")), true);
    return belonging(token, named(pressed.closest("[data-group]"), "group"), false);
  }

  function ofForm(form) {
    const [first, second] = [...form.querySelectorAll("select")];
    if (form.dataset.form === "membership") return membership(option(first), option(second), true);
    if (form.dataset.form === "model") return grouping(option(first), option(second), true);
    return moving(option(first), Number(first.selectedOptions[0].dataset.from), option(second));
  }

  document.addEventListener("access:chosen", (event) => offer(event.detail));
  document.addEventListener("DOMContentLoaded", () => {
    document.addEventListener("click", (event) => {
      const pressed = event.target.closest("#access [data-do]");
      if (pressed) carryOut((pressed.closest("#access-of") ? ofToken : pressed.closest("tr") ? inLists : inPicture)(pressed), pressed);
      const back = event.target.closest("#access-status button");
      if (back && undo) undoLast(back);
    });
    document.addEventListener("submit", (event) => {
      if (!event.target.matches("#access-lists form")) return;
      event.preventDefault();
      if ([...event.target.querySelectorAll("select")].every((one) => one.value)) carryOut(ofForm(event.target), event.target.querySelector("button"));
    });
  });
})();
