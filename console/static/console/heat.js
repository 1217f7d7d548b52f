// Draws nodes as squares on one canvas per group, and only those again that have changed. Colours come from the style
// sheet; a square is filled from below by what the states of its devices mean, each with a pattern of its own.
window.mcHeat = (() => {
  "use strict";
  const NAMES = ["used", "moving", "kept", "out", "idle"]; // from below
  const PLACE = { used: 0, idle: 1, moving: 2, kept: 3, out: 4 }; // in the data, as the server sends them
  const WIDTH = 5;
  const LARGEST = 28, SMALLEST = 8; // px from one square to the next
  const HEADING = 24;
  let ink = {};

  function readColours() {
    const css = getComputedStyle(document.documentElement);
    const value = (name) => css.getPropertyValue(name).trim();
    ink = { used: value("--mc-used"), line: value("--mc-idle") + "b0", moving: value("--mc-moving"), out: value("--mc-out"), paper: value("--mc-paper"), dot: { CRITICAL: value("--mc-out"), WARNING: value("--mc-moving"), NOTICE: value("--mc-ink") } };
    ink.hatched = pattern((dot) => { stroke(dot, [-1, 3, 3, -1], ink.moving); stroke(dot, [1, 5, 5, 1], ink.moving); });
    ink.dotted = pattern((dot) => { dot.fillStyle = ink.moving; dot.fillRect(0, 0, 2, 1); dot.fillRect(2, 2, 2, 1); });
  }

  function pattern(paint) {
    const tile = new OffscreenCanvas(4, 4);
    const dot = tile.getContext("2d");
    dot.fillStyle = ink.paper;
    dot.fillRect(0, 0, 4, 4);
    paint(dot);
    return dot.createPattern(tile, "repeat");
  }

  function stroke(dot, [x1, y1, x2, y2], colour, width = 1.2) {
    dot.strokeStyle = colour;
    dot.lineWidth = width;
    dot.beginPath();
    dot.moveTo(x1, y1);
    dot.lineTo(x2, y2);
    dot.stroke();
  }

  function band(dot, name, x, y, width, height) {
    dot.fillStyle = { used: ink.used, moving: ink.hatched, kept: ink.dotted, out: ink.out, idle: ink.paper }[name];
    dot.fillRect(x, y, width, height);
    if (name === "out") stroke(dot, [x, y + height, x + width, y], ink.paper, Math.max(1.2, width / 9));
  }

  function square(dot, x, y, size, counts, off, alert) {
    dot.fillStyle = ink.paper;
    dot.fillRect(x, y, size, size);
    const all = counts.reduce((sum, number) => sum + number, 0);
    let seen = 0, bottom = y + size;
    for (const name of all ? NAMES : []) {
      if (!counts[PLACE[name]]) continue;
      seen += counts[PLACE[name]];
      const top = y + size - Math.round((size * seen) / all);
      band(dot, name, x, top, size, bottom - top);
      bottom = top;
    }
    dot.strokeStyle = off ? ink.out : counts[PLACE.used] === all && all ? ink.used : ink.line;
    dot.lineWidth = 1;
    dot.setLineDash(all ? [] : [1, 1]);
    dot.strokeRect(x + 0.5, y + 0.5, size - 1, size - 1);
    dot.setLineDash([]);
    if (alert) alertDot(dot, x + size - size / 3.2, y + size / 3.2, Math.max(2.2, size / 5), ink.dot[alert] || ink.dot.NOTICE);
  }

  function alertDot(dot, x, y, radius, colour) {
    for (const [fill, more] of [[ink.paper, 1], [colour, 0]]) {
      dot.fillStyle = fill;
      dot.beginPath();
      dot.arc(x, y, radius + more, 0, 7);
      dot.fill();
    }
  }

  function canvas(width, height, given) {
    const scale = devicePixelRatio || 1;
    const made = given || document.createElement("canvas");
    made.width = Math.round(width * scale);
    made.height = Math.round(height * scale);
    made.style.width = `${width}px`;
    made.style.height = `${height}px`;
    const dot = made.getContext("2d");
    dot.scale(scale, scale);
    return [made, dot];
  }

  // The alerts come with the most urgent first: the first of a node has its worst level.
  function worst(alerts) {
    const found = new Map();
    for (const [id, level] of alerts) if (!found.has(id)) found.set(id, level);
    return found;
  }

  // Groups are ranges of the nodes, which come in the order of their groups.
  function ranges(data) {
    const found = [];
    data.group.forEach((group, place) => {
      if (found.at(-1)?.group !== group) found.push({ group, name: data.groups[group], first: place, count: 0 });
      found.at(-1).count += 1;
    });
    return found;
  }

  function pitchFor(groups, width, height) {
    for (let pitch = LARGEST; pitch > SMALLEST; pitch -= 1) {
      const columns = Math.floor(width / pitch);
      if (groups.reduce((sum, { count }) => sum + HEADING + 16 + Math.ceil(count / columns) * pitch, 0) <= height) return pitch;
    }
    return SMALLEST;
  }

  class Squares {
    constructor(place) {
      this.place = place;
      this.groups = [];
    }

    show(data) {
      const before = this.data;
      this.data = data;
      const same = before && before.id.length === data.id.length && before.id.every((id, i) => id === data.id[i] && before.group[i] === data.group[i]);
      this.alerts = worst(data.alerts);
      if (!same) return this.draw();
      const changed = data.id.map((_id, i) => i).filter((i) => this.face(before, i) !== this.face(data, i));
      for (const i of changed) this.paint(i);
      this.faces = data.id.map((id) => this.alerts.get(id));
      return changed.length;
    }

    face(data, i) {
      const alert = data === this.data ? this.alerts.get(data.id[i]) : this.faces[i];
      return `${data.states.slice(i * WIDTH, i * WIDTH + WIDTH)} ${data.off[i]} ${alert}`;
    }

    draw() {
      readColours();
      for (const group of this.groups) group.section.remove();
      this.groups = ranges(this.data);
      this.faces = this.data.id.map((id) => this.alerts.get(id));
      const width = this.place.clientWidth;
      const top = this.place.getBoundingClientRect().top + scrollY;
      this.pitch = pitchFor(this.groups, width, innerHeight - top - 16);
      this.columns = Math.max(1, Math.floor(width / this.pitch));
      for (const group of this.groups) this.drawGroup(group);
      return this.data.id.length;
    }

    drawGroup(group) {
      const rows = Math.ceil(group.count / this.columns);
      [group.canvas, group.dot] = canvas(Math.min(this.columns, group.count) * this.pitch, rows * this.pitch);
      group.section = document.createElement("section");
      const heading = document.createElement("h2");
      const number = document.createElement("span");
      number.textContent = ` ${group.count}`;
      heading.append(group.name, number);
      group.section.append(heading, group.canvas);
      this.place.append(group.section);
      for (let i = group.first; i < group.first + group.count; i += 1) this.paint(i, group);
    }

    groupOf(i) {
      return this.groups.find((group) => i < group.first + group.count);
    }

    paint(i, group = this.groupOf(i)) {
      const { data, pitch } = this;
      const [x, y] = this.at(i, group);
      square(group.dot, x, y, pitch - 1, data.states.slice(i * WIDTH, i * WIDTH + WIDTH), data.off[i], this.alerts.get(data.id[i]));
    }

    at(i, group = this.groupOf(i)) {
      const place = i - group.first;
      return [(place % this.columns) * this.pitch, Math.floor(place / this.columns) * this.pitch];
    }

    under(group, x, y) {
      const column = Math.floor(x / this.pitch);
      const place = Math.floor(y / this.pitch) * this.columns + column;
      return column < this.columns && place >= 0 && place < group.count ? group.first + place : -1;
    }
  }

  function swatches() {
    readColours();
    const looks = { mixed: [3, 4, 1, 0, 0], alert: [0, 1, 0, 0, 0] };
    for (const shown of document.querySelectorAll("[data-swatch]")) {
      const counts = looks[shown.dataset.swatch] || Object.keys(PLACE).map((name) => Number(name === shown.dataset.swatch));
      square(canvas(14, 14, shown)[1], 1, 1, 12, counts, false, shown.dataset.level);
    }
  }

  return { Squares, swatches };
})();
