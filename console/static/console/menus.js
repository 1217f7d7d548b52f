// Small menus (<details class="mc-menu">): one open at a time; Esc, a click elsewhere and leaving it close it.
// A form with data-query sends the query of the address as it is now, also where a script has changed it.
(() => {
  "use strict";
  const open = () => document.querySelectorAll("details.mc-menu[open]");

  function close(but) {
    for (const menu of open()) if (menu !== but) menu.open = false;
  }

  document.addEventListener("click", (event) => close(event.target.closest("details.mc-menu")));
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && open()[0];
    if (!menu) return;
    close();
    menu.querySelector("summary").focus();
  });
  document.addEventListener("toggle", (event) => {
    if (!event.target.matches?.("details.mc-menu[open]")) return;
    const panel = event.target.querySelector(".mc-panel");
    panel.classList.remove("mc-panel-back");
    panel.classList.toggle("mc-panel-back", panel.getBoundingClientRect().right > innerWidth - 16); // stays on the screen
    panel.querySelector("input:not([type=hidden])")?.focus();
  }, true);
  document.addEventListener("submit", (event) => {
    if (event.target.matches("form[data-query]") && location.search) event.target.elements.query.value = location.search;
  });
})();
