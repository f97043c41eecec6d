"use strict";
// The flow from z to p − t: one block a vector or matrix, in each a row for every class that is shown.

class FlowView {
  /** `told` gets what a reader does: label(k), or logit(k, value). */
  constructor(told) {
    this.told = told;
    this.key = "";
    this.matrix = new MatrixView();
    this.range = null; // of the logits' sliders
    this.moving = false; // whether a slider of a logit is what changes z now
    this.byKeys = false; // whether the last that one was moved by were keys
    this.moved = null; // the last z that one of them made
  }

  show(s) {
    const key = JSON.stringify([s.shown, s.label, s.classes, s.shown.map(s.fullName)]);
    if (key !== this.key) this.build(s);
    this.key = key;
    this.showLogits(s);
    this.showProbabilities(s);
    this.showByP(s);
    this.matrix.show(s);
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
          id === "block-names" || id === "block-z" ? "" : id === "block-right" ? '<span class="value"></span><span class="measured"></span>'
            : '<span class="value"></span><span class="track"><span class="bar"></span></span>')),
        element("div", { class: "cell foot" }), element("div", { class: "cell foot" }));
    }
    this.buildNames(s);
    this.buildLogits(s);
    this.matrix.build(s, classes);
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
      input.addEventListener("keydown", event => {
        const steps = { ArrowLeft: -0.1, ArrowDown: -0.1, ArrowRight: 0.1, ArrowUp: 0.1, PageDown: -5, PageUp: 5 };
        if (!steps[event.key]) return;
        event.preventDefault();
        this.move(k, Number(input.value) + steps[event.key], true);
      });
      slideByFinger(input, value => this.move(k, value));
    }
  }

  move(k, value, byKeys = false) {
    this.moving = true;
    this.byKeys = byKeys;
    this.told.logit(k, value);
    this.moving = false;
  }

  /** Choose the scale of the logits' sliders. No knob moves under a finger: nothing changes it while a slider is held, and one
   * that was dragged leaves it as it is; keys go on past its end. */
  chooseRange(s, low, high) {
    if (this.moving) this.moved = s.z;
    const room = Math.max(2, 0.2 * (high - low)), range = { low: Math.floor(low - room), high: Math.ceil(high + room) };
    const inside = this.range && low > this.range.low && high < this.range.high;
    if (this.range && s.z === this.moved) {
      if (!held && !inside && this.byKeys) this.range = { low: Math.min(range.low, this.range.low), high: Math.max(range.high, this.range.high) };
    } else if (!this.range || (!held && !(inside && high - low > 0.35 * (this.range.high - this.range.low)))) this.range = range;
  }

  showLogits(s) {
    const values = s.shown.map(k => s.z[k]);
    this.chooseRange(s, Math.min(...values), Math.max(...values));
    setFeet("block-z", `sliders: ${number(this.range.low, 0)} … ${number(this.range.high, 0)}`);
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
      row.classList.toggle("cut", value !== null && (value > high || value < low));
      const end = Number.isNaN(value) ? 0 : (100 * (clamp(value ?? 0, low, high) - low)) / (high - low || 1);
      row.querySelector(".track").style.setProperty("--zero", `${zero}%`);
      bar.style.left = `${Math.min(zero, end)}%`;
      bar.style.width = `${value === null || Number.isNaN(value) ? 0 : Math.abs(end - zero)}%`;
      bar.classList.toggle("negative", value < 0);
    }
  }

  /** p as the loss reads it at the true class; where a floor or a clip holds it there is a tag. */
  showProbabilities(s) {
    const { floor } = FORMATS[s.settings.bits];
    this.showVector("block-p", s, s.found.p.map((x, k) => (k === s.label ? s.found.read : x)), { low: 0, high: 1 });
    for (const row of document.querySelectorAll("#block-p .cell[data-class]")) {
      const k = Number(row.dataset.class), held = (s.way.floor && s.found.p[k] <= floor) || (k === s.label && isHeld(s));
      row.classList.toggle("held", held);
      row.title = held ? `p is held at ${k === s.label ? heldAt(s) : power(floor)}: truly ${number(s.truth.p[k])}` : "";
    }
    setFeet("block-p", `Σ ${number(sumOf(s.found.p, x => x))}`);
  }

  showByP(s) {
    const { targets } = s.state, values = targets ? s.found.dt : s.found.dp;
    say($("by-what"), targets ? "∂L/∂t" : "∂L/∂p");
    $("by-p").setAttribute("aria-pressed", !targets);
    $("by-t").setAttribute("aria-pressed", targets);
    $("flow").classList.toggle("by-t", targets);
    const skipped = values === null;
    $("block-dp").classList.toggle("skipped", skipped);
    document.querySelector("#block-dp .formula").innerHTML =
      skipped ? "not computed" : targets ? "−log p<sub>i</sub> / N" : FORMULAS.dp[s.way.dp];
    const finite = (values ?? []).filter(Number.isFinite).map(Math.abs), most = Math.max(1e-12, ...finite);
    const low = (values ?? []).some(x => x < 0) ? -most : 0, high = (values ?? []).some(x => x > 0) ? most : 0;
    this.showVector("block-dp", s, values, { low, high, off: k => !(targets ? agreesByT : agreesByP)(s, k) });
    setMark("block-dp", marksOf(s)[targets ? "dt" : "dp"]);
  }

  showResults(s) {
    const { dz } = s.found, right = s.truth.dz;
    const finite = [...right, ...(dz ?? [])].filter(x => Number.isFinite(x) && Math.abs(x) < 4 * Math.max(...right.map(Math.abs)));
    const most = Math.max(1e-300, ...finite.map(Math.abs));
    document.querySelector("#block-dz .formula").innerHTML = dz ? FORMULAS.dz[s.way.jacobian ?? "none"] : "can't run";
    $("as-computed").hidden = !dz || s.way.jacobian !== "whole";
    this.showVector("block-dz", s, dz, { low: -most, high: most, off: k => !agreesByZ(s, k) });
    this.showRight(s);
    const good = marksOf(s).dz;
    setMark("block-dz", good);
    $("sign").textContent = dz === null ? "" : good ? "=" : "≠";
    $("sign").className = good ? "" : "bad";
    setFeet("block-dz", dz ? `Σ ${sumsToZero(s, dz) ? "0" : number(sumOf(dz, x => x))}` : "");
  }

  /** p − t, and beside it the slope that L is measured to have. */
  showRight(s) {
    const right = s.truth.dz;
    for (const row of document.querySelectorAll("#block-right .cell[data-class]")) {
      const k = Number(row.dataset.class), slope = slopeText(s, k);
      row.querySelector(".value").textContent = number(right[k]);
      row.querySelector(".measured").textContent = slope;
      row.setAttribute("aria-label", `${page.classes[k]}: ${number(right[k])}, measured ${slope}`);
    }
    const total = sumOf(right, x => x), rounding = sumRounding({ found: {}, settings: { ...s.settings, bits: 64 } }, right);
    setFeet("block-right", `Σ ${Math.abs(total) <= rounding ? "0" : number(total)}`);
  }
}
