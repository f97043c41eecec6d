"use strict";
// The flow from z to p − t: one block a vector or matrix, in each a row for every class that is shown.

const $ = id => document.getElementById(id);

function element(kind, attributes = {}, html = "") {
  const made = document.createElement(kind);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== null) made.setAttribute(name, value === true ? "" : value);
  }
  made.innerHTML = html;
  return made;
}

/** Say something only where it is another than before: what a reader selects, or has the focus on, stays. */
function say(place, html) {
  if (place.dataset.said === html) return;
  place.dataset.said = html;
  place.innerHTML = html;
  if (place.classList.contains("note")) place.hidden = html === "";
}

class FlowView {
  /** `told` gets what a reader does: label(k), or logit(k, value, whether it goes on). */
  constructor(told) {
    this.told = told;
    this.key = "";
    this.range = null;
    this.dragging = false;
  }

  show(s) {
    const key = JSON.stringify([s.shown, s.label, s.classes, s.shown.map(s.fullName)]);
    if (key !== this.key) this.build(s);
    this.key = key;
    this.showLogits(s);
    this.showVector("block-p", s, s.found.p, { low: 0, high: 1 });
    this.showByP(s);
    this.showMatrix(s);
    this.showResults(s);
  }

  /** Make the rows anew. */
  build(s) {
    document.documentElement.style.setProperty("--columns", s.shown.length);
    const classes = (k, more = "") => `cell ${more} ${k === s.label ? "true" : ""}`;
    for (const id of ["block-names", "block-z", "block-p", "block-dp", "block-dz", "block-right"]) {
      const rows = document.querySelector(`#${id} .rows`);
      rows.setAttribute("role", "list");
      rows.replaceChildren(element("div", { class: "cell head" }),
        ...s.shown.map(k => element("div", { class: classes(k), role: "listitem", "data-class": k, "data-name": s.name(k) },
          id === "block-names" || id === "block-z" ? "" : '<span class="value"></span><span class="track"><span class="bar"></span></span>')),
        element("div", { class: "cell foot" }), element("div", { class: "cell foot" }));
    }
    this.buildNames(s);
    this.buildLogits(s);
    const matrix = document.querySelector("#block-j .rows"), line = kind => s.shown.map(j => element("div", { class: classes(j, kind), "data-column": j }));
    const side = (text, yes = false) => element("div", { class: `cell side ${yes ? "true" : ""}` }, text); // where rows have no names beside them
    matrix.replaceChildren(side(""), ...line("head"),
      ...s.shown.flatMap(i => [side(s.name(i), i === s.label), ...s.shown.map(j =>
        element("div", { class: `${classes(i)} row`, "data-row": i, "data-column": j }))]),
      side("Σ"), ...line("foot plain"), side("Σ∂J"), ...line("foot weighted"));
    matrix.querySelectorAll(".head").forEach((head, j) => { head.textContent = s.name(s.shown[j]).slice(0, 4); });
  }

  buildNames(s) {
    for (const row of document.querySelectorAll("#block-names .cell[data-class]")) {
      const k = Number(row.dataset.class), yes = k === s.label;
      const name = s.name(k) === s.fullName(k) ? s.name(k) : `${k} ${s.fullName(k)}`;
      row.innerHTML = `<label title="${s.fullName(k)}: ${yes ? "the true class" : "make it the true class"}"><input type="radio" name="true"
        value="${k}" ${yes ? "checked" : ""}>${name}${yes ? " true" : ""}</label>`;
      row.querySelector("input").addEventListener("change", () => this.told.label(k));
    }
  }

  buildLogits(s) {
    for (const row of document.querySelectorAll("#block-z .cell[data-class]")) {
      const k = Number(row.dataset.class);
      row.innerHTML = `<span class="value"></span><input type="range" step="any" aria-label="logit of ${s.fullName(k)}">`;
      const input = row.querySelector("input");
      input.addEventListener("pointerdown", () => { this.dragging = true; });
      for (const end of ["pointerup", "pointercancel", "change"]) input.addEventListener(end, () => { this.dragging = false; });
      input.addEventListener("keydown", event => {
        const steps = { ArrowLeft: -0.1, ArrowDown: -0.1, ArrowRight: 0.1, ArrowUp: 0.1, PageDown: -5, PageUp: 5 };
        if (!steps[event.key]) return;
        event.preventDefault();
        this.told.logit(k, Number(input.value) + steps[event.key]);
      });
      input.addEventListener("input", () => this.told.logit(k, Number(input.value)));
      input.addEventListener("change", () => this.told.logit(k, Number(input.value)));
    }
  }

  showLogits(s) {
    const values = s.shown.map(k => s.z[k]), low = Math.min(...values), high = Math.max(...values);
    const room = Math.max(2, 0.12 * (high - low));
    const fits = this.range && low >= this.range.low && high <= this.range.high && high - low > 0.35 * (this.range.high - this.range.low);
    if (!this.range || (!this.dragging && !fits)) this.range = { low: Math.floor(low - room), high: Math.ceil(high + room) };
    for (const row of document.querySelectorAll("#block-z .cell[data-class]")) {
      const value = s.z[Number(row.dataset.class)], input = row.querySelector("input");
      row.querySelector(".value").textContent = number(value, 3);
      input.min = this.range.low;
      input.max = this.range.high;
      input.value = value;
      input.setAttribute("aria-valuetext", number(value, 3));
    }
  }

  /** Write a vector's numbers and bars; `off` tells which rows are not written as the truth is. */
  showVector(id, s, values, { low, high, write = number, off = () => false }) {
    const zero = (100 * clamp(0 - low, 0, high - low)) / (high - low || 1);
    const rows = document.querySelectorAll(`#${id} .cell[data-class]`);
    for (const row of rows) {
      const k = Number(row.dataset.class), value = values ? values[k] : null, bar = row.querySelector(".bar");
      row.querySelector(".value").textContent = value === null ? "" : write(value);
      row.setAttribute("aria-label", `${page.classes[k]}: ${value === null ? "not computed" : write(value)}`);
      row.classList.toggle("off", value !== null && off(k));
      row.classList.toggle("missing", value === null);
      const end = Number.isNaN(value) ? 0 : (100 * (clamp(value ?? 0, low, high) - low)) / (high - low || 1);
      row.querySelector(".track").style.setProperty("--zero", `${zero}%`);
      bar.style.left = `${Math.min(zero, end)}%`;
      bar.style.width = `${value === null || Number.isNaN(value) ? 0 : Math.abs(end - zero)}%`;
      bar.classList.toggle("negative", value < 0);
    }
  }

  feet(id, first, second = "") {
    const feet = document.querySelectorAll(`#${id} .foot`);
    feet[0].innerHTML = `<span>${first}</span>`;
    feet[1].innerHTML = `<span>${second}</span>`;
  }

  mark(id, good) {
    const mark = document.querySelector(`#${id} .mark`);
    mark.textContent = good === null || good === undefined ? "" : good ? "✓" : "✗";
    mark.className = `mark ${good ? "good" : "bad"}`;
    mark.title = good === null || good === undefined ? "" : good ? "as it should be, to the digits shown" : "not what it should be";
  }

  showByP(s) {
    const { targets } = s.state, values = targets ? s.truth.dt : s.found.dp, right = targets ? s.truth.dt : s.truth.dp;
    $("targets").innerHTML = targets ? "∂L/∂t<small>⇄</small>" : "∂L/∂p<small>⇄</small>";
    $("targets").setAttribute("aria-pressed", targets);
    const skipped = values === null;
    $("block-dp").classList.toggle("skipped", skipped);
    document.querySelector("#block-dp .formula").innerHTML =
      skipped ? "not computed" : targets ? "−log p<sub>i</sub> / N" : FORMULAS.dp[s.way.dp];
    const finite = (values ?? []).filter(Number.isFinite).map(Math.abs), most = Math.max(1e-12, ...finite);
    const low = (values ?? []).some(x => x < 0) ? -most : 0, high = (values ?? []).some(x => x > 0) ? most : 0;
    this.showVector("block-dp", s, values, { low, high, off: k => !alike(values[k], right[k]) });
    this.mark("block-dp", skipped || targets ? null : marksOf(s).dp);
    this.feet("block-p", `Σ ${number(sumOf(s.found.p, x => x))}`);
  }

  showMatrix(s) {
    const { jacobian, product } = s.found, right = s.truth.jacobian, block = $("block-j");
    block.classList.toggle("skipped", jacobian === null);
    block.querySelector(".formula").innerHTML = jacobian === null ? (s.found.refused ? "can't run" : "not computed: multiplied out") : FORMULAS.jacobian[s.way.jacobian];
    const most = Math.max(1e-12, ...(jacobian ?? []).flat().filter(x => x !== null && Number.isFinite(x)).map(Math.abs));
    for (const each of block.querySelectorAll(".cell[data-row]")) {
      const i = Number(each.dataset.row), j = Number(each.dataset.column), value = jacobian ? jacobian[i][j] : null;
      each.textContent = value === null ? "" : cell(value);
      each.classList.toggle("missing", value === null);
      const strength = value === null || !Number.isFinite(value) ? 0 : 0.75 * Math.sqrt(Math.abs(value) / most);
      each.style.backgroundColor = strength ? `rgba(var(${value > 0 ? "--hot" : "--cold"}), ${strength.toFixed(3)})` : "";
      each.title = value === null ? "left out" : `∂p(${s.name(i)})/∂z(${s.name(j)}): ${number(value)}; right: ${number(right[i][j])}`;
    }
    this.mark("block-j", marksOf(s).jacobian);
    const column = j => sumOf(jacobian.map(line => line[j] ?? 0), x => x);
    for (const each of block.querySelectorAll(".foot")) {
      const j = Number(each.dataset.column), plain = each.classList.contains("plain");
      const value = jacobian === null ? null : plain ? column(j) : product[j];
      const nothing = plain && value !== null && Math.abs(value) < 1e-6 * most;
      each.textContent = value === null ? "" : nothing ? "0" : cell(value);
      each.title = plain ? "sum of the column" : "sum of the column, each entry times its ∂L/∂p";
    }
    const captions = jacobian === null ? ["", ""] : ["Σ<sub>i</sub> J<sub>ij</sub> ▸", "Σ<sub>i</sub> ∂L/∂p<sub>i</sub> J<sub>ij</sub> ▸"];
    this.feet("block-dp", ...captions);
  }

  showResults(s) {
    const { dz } = s.found, right = s.truth.dz;
    const finite = [...right, ...(dz ?? [])].filter(x => Number.isFinite(x) && Math.abs(x) < 4 * Math.max(...right.map(Math.abs)));
    const most = Math.max(1e-300, ...finite.map(Math.abs)), scale = { low: -most, high: most };
    document.querySelector("#block-dz .formula").innerHTML = dz ? FORMULAS.dz[s.way.jacobian ?? "none"] : "can't run";
    this.showVector("block-dz", s, dz, { ...scale, off: k => !alike(dz[k], right[k]) });
    this.showVector("block-right", s, right, scale);
    const good = marksOf(s).dz;
    this.mark("block-dz", good);
    $("sign").textContent = dz === null ? "" : good ? "=" : "≠";
    $("sign").className = good ? "" : "bad";
    const sum = values => {
      const total = values.reduce((a, b) => a + b, 0), size = Math.max(...values.map(Math.abs));
      return `Σ ${Math.abs(total) < (s.settings.bits === 32 ? 1e-6 : 1e-14) * size ? "0" : number(total)}`;
    };
    this.feet("block-dz", dz ? sum(dz) : "");
    this.feet("block-right", sum(right));
  }
}
