"use strict";
// Steps of learning: z ← z − rate · dL/dz, or all weights of the network against their gradient; what each way comes to.

const AHEAD = 20; // steps that are looked ahead

/** One way's step from logits z: what z becomes, or null where there is no gradient to apply, or it diverges. */
function steppedLogits(z, label, way, settings, rate) {
  const { dz } = attempt(way, z, label, settings), next = dz && z.map((x, i) => x - rate * dz[i]);
  return next && tame(next) ? next : null;
}

/** Take the same on the weights of a network, for one input; null likewise. */
function steppedNetwork(network, input, z, label, way, settings, rate) {
  const { dz } = attempt(way, z, label, settings);
  const next = dz && dz.every(Number.isFinite) ? network.step(input, dz, rate) : null;
  return next && tame(next) ? next : null;
}

/** { losses, ended }: the true loss at the start and after each of the steps; `ended` says why there are no more. */
function lossesAhead(start, way) {
  const { label, settings, rate, network, input } = start, own = network?.copy();
  let z = start.z;
  const losses = [truth(z, label).loss];
  for (let k = 0; k < AHEAD; k++) {
    const next = own ? steppedNetwork(own, input, z, label, way, settings, rate) : steppedLogits(z, label, way, settings, rate);
    if (next === null) return { losses, ended: endOf(attempt(way, z, label, settings)) };
    z = next;
    losses.push(truth(z, label).loss);
  }
  return { losses, ended: null };
}

/** Why there is no step to take. */
const endOf = ({ dz, refused }) => (refused ? "can't run" : dz.every(Number.isFinite) ? "diverges" : "no gradient");

/** What became of a way, in words, and a sign; equal is what is written alike. */
function courseSaid({ losses, ended }, digits) {
  const [from, to] = [losses[0], losses.at(-1)].map(loss => significant(loss, digits)), steps = losses.length - 1;
  const when = steps ? `after ${steps}` : "at once";
  if (ended) return { said: ended === "diverges" ? `diverges ${when}` : steps ? `not finite ${when}` : ended, sign: "✗" };
  return { said: to, sign: from === to ? "=" : losses.at(-1) < losses[0] ? "↓" : "↑" };
}

/** Colours and dashes of the ways' lines; Okabe and Ito's, which the colour-blind tell apart. */
const LINES = {
  separate: ["var(--blue)", ""], fused: ["var(--blue)", "7 3"], homework: ["var(--blue)", "2 3"],
  textbook: ["var(--sky)", ""], clipped: ["var(--sky)", "6 3"],
  posted_question: ["var(--vermillion)", "2 3"], posted_answer: ["var(--vermillion)", ""],
  diagonal: ["var(--orange)", ""], double_jacobian: ["var(--purple)", ""], logits_for_p: ["var(--purple)", "2 3"],
};

/** Draw the courses: loss over steps; the chosen way's line is thick, and on top. */
function courseChart(courses, chosen) {
  const width = 300, height = 150, left = 56, bottom = 16, top = 8;
  const start = courses.get(chosen).losses[0];
  const finite = [...courses.values()].flatMap(({ losses }) => losses).filter(x => Number.isFinite(x) && x <= 2 * Math.max(start, 0.1));
  const most = Math.max(start * 1.05, ...finite, 1e-9);
  const x = k => left + (k / AHEAD) * (width - left - 6), y = loss => top + (1 - loss / most) * (height - top - bottom);
  const order = [...courses.keys()].sort((a, b) => (a === chosen) - (b === chosen));
  const lines = order.map(name => {
    const [color, dash] = LINES[name];
    const points = courses.get(name).losses.map((loss, k) => `${x(k).toFixed(1)},${y(Math.min(loss, most * 1.02)).toFixed(1)}`).join(" ");
    const thick = name === chosen ? 3.5 : 1.4;
    return `<polyline points="${points}" fill="none" stroke="${color}" stroke-width="${thick}" stroke-dasharray="${dash}"/>`;
  });
  const ticks = [0, most / 2, most].map(v =>
    `<line x1="${left}" x2="${width}" y1="${y(v)}" y2="${y(v)}" class="tick"/><text x="${left - 4}" y="${y(v) + 4}" text-anchor="end">${significant(v)}</text>`);
  const below = [0, 10, 20].map(k => `<text x="${x(k)}" y="${height - 3}" text-anchor="${k ? (k === 20 ? "end" : "middle") : "start"}">${k === 20 ? "20 steps" : k}</text>`);
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="true loss over ${AHEAD} steps, each way">
    ${ticks.join("")}${below.join("")}${lines.join("")}</svg>`;
}
