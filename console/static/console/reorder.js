// Moving a waiting job to another place of its queue: with the mouse, or with the arrow keys on its grip.
(() => {
  "use strict";
  let lifted = null; // the row that is being moved
  let home = null; // what stood behind it

  const grip = (target) => (target instanceof Element ? target.closest("#jobs-queue .mc-grip") : null);
  const isTarget = (row) => row && lifted && row !== lifted && "waits" in row.dataset && row.dataset.group === lifted.dataset.group;

  const announce = (text) => { document.getElementById("jobs-moving").textContent = text; };

  function lift(row) {
    lifted = row;
    home = row.nextSibling;
    row.classList.add("mc-lifted");
    Jobs.hold(row, "moving");
  }

  function putBack() {
    if (!lifted) return;
    const row = lifted;
    lifted = null;
    announce("");
    row.classList.remove("mc-lifted");
    if (row.dataset.busy === "moving") row.removeAttribute("data-busy");
    if (home?.isConnected || home === null) row.parentNode.insertBefore(row, home);
  }

  const neighbour = (step) => {
    const row = step < 0 ? lifted.previousElementSibling : lifted.nextElementSibling;
    return isTarget(row) ? row : null;
  };

  function place(row, behind) {
    row.parentNode.insertBefore(lifted, behind ? row.nextSibling : row);
  }

  async function drop() {
    const row = lifted, up = neighbour(-1), down = neighbour(1);
    if (row.nextSibling === home || !(up || down)) return putBack();
    const target = down ? { before: down.dataset.job } : { behind: up.dataset.job };
    const done = await Jobs.propose(Number(row.dataset.job), target);
    if (!done) return putBack();
    lifted = null;
    announce("");
    row.classList.remove("mc-lifted");
    row.removeAttribute("data-busy");
  }

  document.addEventListener("dragstart", (event) => {
    const button = grip(event.target);
    if (!button) return;
    putBack();
    lift(button.closest("tr"));
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", lifted.dataset.job);
    event.dataTransfer.setDragImage(lifted, 24, 16);
  });
  document.addEventListener("dragover", (event) => {
    const row = lifted && event.target.closest?.("#jobs-queue tbody tr");
    if (lifted && row === lifted) event.preventDefault();
    if (!isTarget(row)) return;
    event.preventDefault();
    const box = row.getBoundingClientRect();
    place(row, event.clientY > box.top + box.height / 2);
  });
  document.addEventListener("drop", (event) => {
    if (!lifted) return;
    event.preventDefault();
    drop();
  });
  document.addEventListener("dragend", (event) => { if (event.dataTransfer?.dropEffect === "none") putBack(); });

  document.addEventListener("keydown", (event) => {
    const button = grip(event.target);
    if (!button) return;
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (step) {
      event.preventDefault();
      if (!lifted) lift(button.closest("tr"));
      const row = neighbour(step);
      if (row) place(row, step > 0);
      button.focus();
      const rows = [...lifted.parentNode.children].filter((one) => one === lifted || isTarget(one));
      const first = Math.min(...rows.map((one) => Number(one.dataset.place)));
      announce(Jobs.fill(Jobs.words().moving, { place: first + rows.indexOf(lifted) }));
    } else if ((event.key === "Enter" || event.key === " ") && lifted) {
      event.preventDefault();
      drop();
    } else if (event.key === "Escape") {
      putBack();
      button.focus();
    }
  });
  document.addEventListener("focusout", (event) => {
    if (grip(event.target) && lifted && !document.querySelector("dialog[open]") && document.hasFocus())
      setTimeout(() => { if (lifted && !lifted.contains(document.activeElement) && !document.querySelector("dialog[open]")) putBack(); }, 200);
  });
})();
