// <span class="mc-secret" data-reveal="ADDRESS"><code>…</code><button data-secret="show|copy">: asks for the secret with
// the action that writes the event, when a button is pressed and not before.
(() => {
  "use strict";
  async function reveal(holder) {
    const body = new URLSearchParams({ agreed: "1", csrfmiddlewaretoken: document.querySelector("input[name=csrfmiddlewaretoken]").value });
    const answer = await fetch(holder.dataset.reveal, { method: "POST", body, credentials: "same-origin" });
    const secret = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("secret");
    if (!secret) throw new Error();
    return secret.value;
  }

  function show(holder, value) {
    const code = holder.querySelector("code");
    holder.dataset.masked ??= code.textContent;
    const open = value !== null;
    code.textContent = open ? value : holder.dataset.masked;
    holder.toggleAttribute("data-busy", open); // a list that renews itself leaves it alone
    const button = holder.querySelector("[data-secret=show]");
    if (!button) return;
    button.dataset.word ??= button.textContent;
    button.textContent = open ? holder.dataset.hide : button.dataset.word;
  }

  async function copy(holder, value) {
    if (navigator.clipboard && isSecureContext) return navigator.clipboard.writeText(value);
    show(holder, value); // without https a page may only copy what is selected
    getSelection().selectAllChildren(holder.querySelector("code"));
    document.execCommand("copy");
    getSelection().removeAllRanges();
    show(holder, null);
  }

  function say(button, text) {
    button.dataset.word ??= button.textContent;
    button.textContent = text;
    setTimeout(() => { button.textContent = button.dataset.word; }, 2000);
  }

  async function press(button) {
    const holder = button.closest(".mc-secret");
    if (button.dataset.secret === "show" && holder.hasAttribute("data-busy")) return show(holder, null);
    try {
      const value = await reveal(holder);
      if (button.dataset.secret === "show") return show(holder, value);
      await copy(holder, value);
      say(button, holder.dataset.copied);
    } catch {
      say(button, holder.dataset.failed);
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest(".mc-secret [data-secret]");
    if (button) press(button);
  });
})();
