// The node grid's bulk bar: this page's ticked nodes, or all that the filter finds. The list of nodes asks before it acts.
(() => {
  "use strict";
  const form = document.getElementById("bulk");
  if (!form) return;
  const across = form.elements.select_across;
  const all = form.querySelector("[data-all]");
  const status = form.querySelector("output");
  const boxes = () => [...form.querySelectorAll('[name="_selected_action"]')];

  function settle() {
    const ticked = boxes().filter((box) => box.checked);
    for (const box of [...boxes(), all]) box.disabled = across.checked;
    all.checked = ticked.length > 0 && ticked.length === boxes().length;
    all.indeterminate = ticked.length > 0 && !all.checked;
    status.textContent = across.checked ? "" : ticked.length ? form.dataset.some.replace("{number}", ticked.length) : form.dataset.none;
    form.querySelector("button").disabled = !boxes().length || !(across.checked || ticked.length) || !form.elements.action.value;
  }

  form.addEventListener("change", (event) => {
    if (event.target === all) for (const box of boxes()) box.checked = all.checked;
    settle();
  });
  form.addEventListener("submit", () => {
    // The list requires at least one selected row, even if the action applies to all that the filter finds.
    if (across.checked) { const [first] = boxes(); first.disabled = false; first.checked = true; }
  });
  document.addEventListener("live:refreshed", settle);
  addEventListener("pageshow", settle);
})();
