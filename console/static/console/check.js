// Fills the "State of the components" card: asks /api/check now and every ten seconds. Words carry the meaning, colours repeat it.
(() => {
  const list = document.getElementById("check");
  if (!list) return;
  const words = list.dataset;
  const counts = (part) => ["on", "off", "unreachable"].filter((name) => part[name]).map((name) => `${words[name]} ${part[name]}`);
  const show = (parts) => {
    for (const cell of list.querySelectorAll("[data-part]")) {
      const part = parts[cell.dataset.part];
      const state = document.createElement("span"), more = document.createElement("small");
      state.className = "mc-health";
      state.dataset.status = part?.status ?? "silent";
      state.textContent = part ? words[part.status] ?? part.status : words.silent;
      more.textContent = part ? [part.status === "ok" ? "" : part.detail, ...counts(part)].filter(Boolean).join(" · ") : "";
      if (cell.textContent !== state.textContent + more.textContent) cell.replaceChildren(...(more.textContent ? [state, more] : [state]));
    }
  };
  const ask = async () => {
    try {
      const answer = await fetch(list.dataset.address, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(8000) });
      const body = await answer.json();
      show(body.result ?? body);
    } catch {
      show({});
    }
  };
  ask();
  setInterval(ask, 10000);
})();
