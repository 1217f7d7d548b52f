// A bar of filters (form[data-filters]): a choice takes effect at once, and empty fields stay out of the address.
(() => {
  "use strict";
  for (const form of document.querySelectorAll("form[data-filters]")) {
    form.addEventListener("change", (event) => event.target.matches("select") && form.requestSubmit());
    form.addEventListener("submit", () => {
      for (const field of form.elements) field.disabled = field.name !== "" && field.value === "";
    });
    addEventListener("pageshow", () => { for (const field of form.elements) field.disabled = false; });
  }
})();
