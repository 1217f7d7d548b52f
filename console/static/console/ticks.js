// Counts up the durations of what goes on: <span data-seconds="75" data-days="%(days)s d %(clock)s">0:01:15</span>.
// Counted from when the page came, so that a wrong clock of the browser does no harm.
(() => {
  "use strict";
  const born = new WeakMap();
  const two = (number) => String(number).padStart(2, "0");

  function span(seconds, shape) {
    const days = Math.floor(seconds / 86400), rest = seconds % 86400;
    const clock = `${Math.floor(rest / 3600)}:${two(Math.floor(rest / 60) % 60)}:${two(rest % 60)}`;
    return days ? shape.replace("%(days)s", days).replace("%(clock)s", clock) : clock;
  }

  setInterval(() => {
    const now = performance.now();
    for (const place of document.querySelectorAll("[data-seconds]")) {
      if (!born.has(place)) born.set(place, now);
      place.textContent = span(Number(place.dataset.seconds) + Math.floor((now - born.get(place)) / 1000), place.dataset.days);
    }
  }, 1000);
})();
