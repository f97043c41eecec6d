"use strict";
// What is said of a situation, in words that are computed. Wrong formulas are right where they are written as the truth
// is; right ones also where rounding explains the rest.

/** How far rounding takes a number of size 1: p is a sum of C numbers, each e to a logit that was rounded, too. */
const roundingOf = ({ z, settings }) =>
  2 * (settings.bits === 32 ? 2 ** -23 : 2 ** -52) * (z.length + Math.max(...z.map(Math.abs)));

/** Whether a number is what it should be; `scale` is the size of what was rounded on the way to it. */
function agrees(s, one, right, scale) {
  return alike(one, right) || (s.way.group !== "wrong" && Math.abs(one - right) <= scale * roundingOf(s));
}

/** The same of an entry of ∂L/∂p, of J and of ∂L/∂z, which p and 1 − p are multiplied or made into. */
const agreesByP = (s, k) => agrees(s, s.found.dp[k], s.truth.dp[k], Math.abs(s.truth.dp[k]));
const agreesByT = (s, k) => alike(s.found.dt[k], s.truth.dt[k])
  || Math.abs(s.found.dt[k] - s.truth.dt[k]) <= Math.max(1 / s.settings.batch, Math.abs(s.truth.dt[k])) * roundingOf(s);
const agreesInJ = (s, i, j) => agrees(s, s.found.jacobian[i][j] ?? 0, s.truth.jacobian[i][j], 1);
const agreesByZ = (s, k) => agrees(s, s.found.dz[k], s.truth.dz[k], 1 / s.settings.batch);

/** Whether each part of the chosen way is right: { dp, dt, jacobian, dz }; null where there is none. */
function marksOf(s) {
  const all = s.z.map((_, k) => k), judged = (found, right) => found && all.every(right);
  return {
    dp: judged(s.found.dp, k => agreesByP(s, k)),
    dt: judged(s.found.dt, k => agreesByT(s, k)),
    jacobian: judged(s.found.jacobian, i => all.every(j => agreesInJ(s, i, j))),
    dz: judged(s.found.dz, k => agreesByZ(s, k)),
  };
}

/** Whether p of the true class is not softmax's where the loss reads it: held above a floor, or clipped. */
function isHeld({ found, way, settings, label }) {
  return (way.floor && found.p[label] <= FORMATS[settings.bits].floor) || !Object.is(found.read, found.p[label]);
}

const heldAt = ({ found, way }) =>
  (way.loss === "clipped" ? (found.read < 0.5 ? "1e−7" : "1 − 1e−7") : power(found.read));

/** A measured slope, as far as it is certain: to four decimals, of logits that a nudge still moves. */
function slopeText({ z, label, settings }, k) {
  if (Math.max(...z) - Math.min(...z) > 1e4 || Math.max(...z.map(Math.abs)) > 1e5) return "–";
  const text = measuredSlope(z, k, label, settings.batch).toFixed(4).replace("-", "−");
  return Number(text.replace("−", "")) === 0 ? "0.0000" : text;
}

const BOTH = "∂L/∂z and (p − t)/N";

/** The sentences about the gradient, first the verdict. */
function verdictOf(s) {
  const { found, truth: right, settings } = s, { dz } = found;
  if (!dz) return [`✗ It can't run on a batch of ${settings.batch}: ${found.refused}.`, otherSizes(s)];
  const bad = dz.map((x, i) => i).filter(i => !Number.isFinite(dz[i]));
  if (bad.length) return [`✗ ∂L/∂z is ${[...new Set(bad.map(i => number(dz[i])))].join(" or ")} at
    ${bad.length > 4 ? `${bad.length} of ${s.classes} classes` : listed(bad.map(s.called))}: ${whyNotFinite(s)}`];
  const differing = dz.map((_, i) => i).filter(i => !agreesByZ(s, i));
  const said = differing.length === 0 ? equalSaid(s) : differenceSaid(s, differing);
  const direction = differing.length ? directionSaid(s) : [];
  return [said, sumSaid(s, dz), ...direction, ...breakSaid(s), ...(s.way.jacobian === "batch" ? [otherSizes(s)] : [])];
}

function equalSaid({ found: { dz }, truth: right, classes }) {
  const off = largestDifference(dz, right.dz), largest = `largest difference ${off ? power(off) : 0}`;
  return alike(dz, right.dz) ? `✓ ${BOTH} are equal in all ${classes} rows, to the digits shown (${largest}).`
    : `✓ ${BOTH} are equal in all ${classes} rows, but for rounding (${largest}).`;
}

/** Where they differ most, of the rows that are written differently if there are any. */
function differenceSaid({ found: { dz }, truth: right, classes, called, label }, differing) {
  const worst = differing.reduce((best, i) =>
    (Math.abs(dz[i] - right.dz[i]) > Math.abs(dz[best] - right.dz[best]) ? i : best));
  return `✗ ${BOTH} differ in ${differing.length} of ${classes} rows, most at ${called(worst)}: ${number(dz[worst])} instead
    of ${number(right.dz[worst])}.${pullSaid(dz[label], right.dz[label])}`;
}

/** What the true class's logit gets: it is pulled up by −∂L/∂z. */
function pullSaid(dz, right) {
  if (dz > 0) return " The true class is pushed down.";
  if (Math.abs(dz) >= Math.abs(right) / 20) return "";
  return ` The true class gets ${dz === 0 ? "no" : "almost no"} pull.`;
}

/** The posted question depends on the batch's size: buttons for those where it is another thing. */
function otherSizes({ classes, settings, state }) {
  const sizes = [1, classes, 128].filter(n => n !== settings.batch);
  const here = settings.batch === 1 && state.point !== 3 ? "np.eye(1) is a 1: the posted answer. " : "";
  return `${here}Other batch sizes: ${sizes.map(n => `<button data-batch="${n}">N = ${n}</button>`).join(" ")}`;
}

/** In float32, or at a gap: which way breaks, if this one doesn't, and no point of the question needs the room. */
function breakSaid(s) {
  if (s.state.point || s.way.name === "textbook" || (s.settings.bits === 64 && s.gap < 80)) return [];
  const broken = !attempt(wayNamed("textbook"), s.z, s.label, { ...s.settings, bits: 32 }).dz.every(Number.isFinite);
  return [broken ? 'Here “textbook” breaks in float32: <button data-way="textbook">see it break</button>'
    : "In float32 “textbook” breaks once L passes 88.7, or any p is 0."];
}

function whyNotFinite(s) {
  const { found, label, name, z } = s;
  if (!found.p.every(Number.isFinite)) return Math.max(...z) > 0
    ? `p is not finite: the largest logit is ${number(Math.max(...z), 3)}, and e<sup>z</sup> of it is inf.`
    : "p is not finite: every e<sup>z</sup> is 0, and 0/0 is nan.";
  const p = found.p[label], zero = s.way.dp === "right" ? found.p.findIndex((x, k) => x === 0 && k !== label) : -1;
  if (zero >= 0 && p !== 0) return `p(${name(zero)}) is 0: −t/p is −0/0 there, which is nan, and so is Σ g p, and every row.`;
  if (!found.dp || Number.isFinite(found.dp[label])) return "a product overflows.";
  return p === 0
    ? `p(${name(label)}) is 0, so g is −inf there. p·(g − Σ g p) has −inf · 0 in its sum, which is nan, and so is every row.`
    : `p(${name(label)}) is ${number(p)}, so small that −1/p overflows: g is −inf there, and so is Σ g p. p·(g − Σ g p) has
      −inf − (−inf) in that row, which is nan, and 0 − (−inf), inf, in the others.`;
}

/** What rounding can leave of a sum that is 0: that of the numbers added, and of those that these are differences of. */
function sumRounding({ found: { dp, p }, settings }, values) {
  const behind = dp && values.every((x, k) => Number.isFinite(dp[k] * p[k])) ? dp.map((g, k) => g * p[k]) : [1 / settings.batch];
  return 2 * values.length * (settings.bits === 32 ? 2 ** -23 : 2 ** -52) * Math.max(...[...values, ...behind].map(Math.abs));
}

/** Whether ∂L/∂z sums to 0, but for rounding: what is right does. */
function sumsToZero(s, dz) {
  const sum = sumOf(dz, x => x);
  return Math.abs(sum) <= sumRounding(s, dz) || dz.every((_, k) => agreesByZ(s, k));
}

function sumSaid(s, dz) {
  const sum = sumOf(dz, x => x);
  if (sum === 0) return dz.some(x => x !== 0) ? "∂L/∂z sums to 0."
    : `∂L/∂z is 0 everywhere${s.way.loss === "clipped" && isHeld(s) ? ", as p is clipped" : ""}: nothing is learned.`;
  return sumsToZero(s, dz) ? `∂L/∂z sums to 0, but for rounding (${power(Math.abs(sum))}).`
    : `∂L/∂z sums to ${number(sum)}, not to 0: any right one sums to 0.`;
}

/** Why it trains all the same, or not. */
function directionSaid(s) {
  const { found: { dz }, truth: { dz: right } } = s;
  const size = v => Math.hypot(...v), along = dot(dz, right);
  if (size(dz) < 1e-30 || size(right) < 1e-30) return [];
  const cosine = along / (size(dz) * size(right)), ratio = size(dz) / size(right);
  const length = `${number(ratio, 2)} times as long`, beside = `cosine to the right one, 1 if parallel: ${number(cosine, 2)}; ${length}`;
  if (along > 0) return [`For a small enough step it points downhill (${beside}): the loss falls.${tooLongSaid(s)}`];
  return [`It does not point downhill (${beside}): a small step on z lets the loss ${along < 0 ? "rise" : "be"}.`];
}

/** Whether the step that is set is longer than that. */
function tooLongSaid({ z, label, way, settings, truth: { loss }, state: { on, rate } }) {
  if (on !== "logits") return "";
  const next = steppedLogits(z, label, way, settings, rate), becomes = next ? truth(next, label).loss : NaN;
  return becomes < loss ? "" : ` At rate ${significant(rate)} it is too long: ${next ? `L becomes ${number(becomes)}` : "z diverges"}.`;
}

/** How L is got, or why it isn't the true one. */
function lossSaid(s) {
  const { found, truth: right, way, settings, label, name } = s;
  if (alike(found.loss, right.loss)) return way.loss === "lse" ? `= log Σ e<sup>z</sup> − z(${name(label)})` : `= −log p(${name(label)})`;
  const why = way.loss === "lse" && !Number.isFinite(found.loss) ? `log Σ e<sup>z</sup> is ${number(found.loss)}`
    : Number.isNaN(found.loss) ? (found.p.some(Number.isNaN) ? "p is nan" : "0 · log 0 is nan")
    : found.loss === Infinity ? "log 0"
    : isHeld(s) ? `p is held at ${heldAt(s)}: the true one is ${number(right.p[label])}`
    : `rounding in float${settings.bits}`;
  return `(${why}), but truly ${number(right.loss)}`;
}
