// Fills the "State of the parts" card: asks /api/check now and every ten seconds. Words carry the meaning, not colours.
(() => {
  const list = document.getElementById("check");
  if (!list) return;
  const show = (parts) => {
    for (const cell of list.querySelectorAll("[data-part]")) {
      const part = parts[cell.dataset.part];
      cell.textContent = part ? [part.status, part.detail].filter((w) => typeof w === "string" && w).join(" · ") : list.dataset.silent;
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
