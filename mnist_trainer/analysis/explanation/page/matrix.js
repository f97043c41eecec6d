"use strict";
// The derivative of softmax, J: a row for every p, a column for every z, and under it what the columns add up to.

/** A minus that leaves room between a cell and the next. */
const smallMinus = text => text.replace("−", '<span class="minus">−</span>');

class MatrixView {
  build(s, classes) {
    const matrix = document.querySelector("#block-j .rows"), line = kind => s.shown.map(j => element("div", { class: classes(j, kind), "data-column": j }));
    const side = (text, yes = false) => element("div", { class: `cell side ${yes ? "true" : ""}` }, text); // where rows have no names beside them
    matrix.replaceChildren(side(""), ...line("head"),
      ...s.shown.flatMap(i => [side(s.name(i), i === s.label), ...s.shown.map(j =>
        element("div", { class: `${classes(i)} row`, "data-row": i, "data-column": j }))]),
      side("Σ"), ...line("foot plain"), side("ΣgJ"), ...line("foot weighted"));
    matrix.querySelectorAll(".head").forEach((head, j) => { head.textContent = s.name(s.shown[j]).slice(0, 4); });
    matrix.querySelectorAll(".cell[data-row]").forEach(each => {
      const i = Number(each.dataset.row), j = Number(each.dataset.column);
      for (const come of ["pointerenter", "click"]) each.addEventListener(come, () => this.sayProduct(i, j));
      each.addEventListener("pointerleave", event => event.pointerType === "mouse" && this.sayFormula());
    });
  }

  show(s) {
    const { found } = s, { jacobian, dz } = found, right = s.truth.jacobian, block = $("block-j");
    block.classList.toggle("skipped", jacobian === null);
    this.sayFormula();
    $("direct").hidden = jacobian !== null || found.refused !== null;
    const most = Math.max(0.25, ...(jacobian ?? []).flat().filter(x => x !== null && Number.isFinite(x)).map(Math.abs));
    for (const each of block.querySelectorAll(".cell[data-row]")) {
      const i = Number(each.dataset.row), j = Number(each.dataset.column), value = jacobian ? jacobian[i][j] : null;
      each.innerHTML = value === null ? "" : smallMinus(cell(value));
      each.classList.toggle("missing", value === null);
      const strength = value === null || !Number.isFinite(value) ? 0 : 0.75 * Math.sqrt(Math.abs(value) / most);
      each.style.backgroundColor = strength ? `rgba(var(${value > 0 ? "--hot" : "--cold"}), ${strength.toFixed(3)})` : "";
      each.classList.toggle("off", value !== null && !agreesInJ(s, i, j));
      each.title = value === null ? "left out" : `∂p(${s.name(i)})/∂z(${s.name(j)}): ${number(value)}; right: ${number(right[i][j])}`;
    }
    setMark("block-j", marksOf(s).jacobian);
    const column = j => sumOf(jacobian.map(line => line[j] ?? 0), x => x);
    for (const each of block.querySelectorAll(".foot")) {
      const j = Number(each.dataset.column), plain = each.classList.contains("plain");
      const value = jacobian === null ? null : plain ? column(j) : dz[j];
      const nothing = plain && value !== null && Math.abs(value) < 1e-6 * most;
      each.innerHTML = value === null ? "" : nothing ? "0" : smallMinus(cell(value));
      each.title = plain ? "sum of the column" : "sum of the column, each entry times its g = ∂L/∂p: computed as p·(g − Σ g p)";
    }
    const captions = jacobian === null ? ["", ""] : ["Σ<sub>i</sub> J<sub>ij</sub> →", "Σ<sub>i</sub> g<sub>i</sub> J<sub>ij</sub> →"];
    setFeet("block-dp", ...captions);
  }

  /** What stands over J: its formula. */
  sayFormula() {
    const { found, way, state } = situation, place = document.querySelector("#block-j .formula");
    say(place, found.jacobian === null ? (found.refused ? "can't run" : "not computed: multiplied out")
      : state.targets ? "for ∂L/∂p only: t is not computed from z" : FORMULAS.jacobian[way.jacobian]);
  }

  /** Say what an entry of J adds to ∂L/∂z instead, while it is pointed at. */
  sayProduct(i, j) {
    const { found: { dp, jacobian } } = situation, value = jacobian?.[i][j] ?? null;
    if (value === null) return;
    const names = `g<sub>${situation.name(i)}</sub> J<sub>${situation.name(i)},${situation.name(j)}</sub>`;
    const result = number(dp[i] * value), [a, b] = factors(result, (x, y) => number(x * y), dp[i], value);
    say(document.querySelector("#block-j .formula"), `${names} = ${a} · ${b} = ${result}`);
  }
}
