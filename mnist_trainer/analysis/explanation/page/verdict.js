"use strict";
// What is said of a situation, in words that are computed: equal is what is written alike.

/** Whether each part of the chosen way is written as the truth is: { dp, jacobian, dz }; null where there is none. */
function marksOf({ found, truth: right, settings }) {
  const judged = (one, other) => one && alike(one, other);
  const whole = found.jacobian?.map(line => line.map(x => x ?? 0));
  return {
    dp: judged(found.dp, right.dp),
    jacobian: judged(whole, right.jacobian),
    dz: judged(found.dz, right.dz),
  };
}

const BOTH = "∂L/∂z and (p − t)/N";

/** The sentences about the gradient, first the verdict. */
function verdictOf(s) {
  const { found, truth: right, settings } = s, { dz } = found;
  if (!dz) return [`✗ It can't run on a batch of ${settings.batch}: ${found.refused}.`, otherSizes(s)];
  const bad = dz.map((x, i) => i).filter(i => !Number.isFinite(dz[i]));
  if (bad.length) return [`✗ ∂L/∂z is ${[...new Set(bad.map(i => number(dz[i])))].join(" or ")} at
    ${bad.length > 4 ? `${bad.length} of ${s.classes} classes` : listed(bad.map(s.called))}: ${whyNotFinite(s)}`];
  const differing = dz.map((_, i) => i).filter(i => !alike(dz[i], right.dz[i]));
  const off = largestDifference(dz, right.dz), worst = indexOfLargest(dz.map((x, i) => Math.abs(x - right.dz[i])));
  const said = differing.length === 0
    ? [`✓ ${BOTH} are equal in all ${s.classes} rows, to the digits shown (largest difference ${off ? power(off) : 0}).`]
    : [`✗ ${BOTH} differ in ${differing.length} of ${s.classes} rows, most at ${s.called(worst)}: ${number(dz[worst])} instead
      of ${number(right.dz[worst])}.`];
  const direction = differing.length ? directionSaid(dz, right.dz) : [];
  return [...said, sumSaid(dz, settings.bits), ...direction, ...(s.way.jacobian === "batch" ? [otherSizes(s)] : [])];
}

/** The posted question depends on the batch's size: buttons for those where it is another thing. */
function otherSizes({ classes, settings }) {
  const sizes = [1, classes, 128].filter(n => n !== settings.batch);
  const here = settings.batch === 1 ? "np.eye(1) is a single 1: this is the posted answer. " : "";
  return `${here}With another batch size: ${sizes.map(n => `<button data-batch="${n}">N = ${n}</button>`).join(" ")}`;
}

function whyNotFinite({ found, settings, label, name, z }) {
  if (!found.p.every(Number.isFinite)) return "p is not finite: e<sup>z</sup> is too large, or all are 0.";
  if (found.dp && !Number.isFinite(found.dp[label])) {
    const p = found.p[label];
    const what = p === 0 ? "p there is 0" : `p there is ${number(p)}, a subnormal number`;
    return `${what}, 1/(N p) is inf in float${settings.bits}, and inf − inf is nan.`;
  }
  return "a product overflows.";
}

function sumSaid(dz, bits) {
  const sum = dz.reduce((a, b) => a + b, 0), size = Math.max(...dz.map(Math.abs));
  const rounding = dz.length * size * (bits === 32 ? 2 ** -23 : 2 ** -52);
  if (sum === 0) return size ? "∂L/∂z sums to 0." : "∂L/∂z is 0 everywhere: nothing is learned.";
  return Math.abs(sum) <= rounding ? `∂L/∂z sums to 0, but for rounding (${power(Math.abs(sum))}).`
    : `∂L/∂z sums to ${number(sum)}, not to 0, as any right one does.`;
}

/** Why it trains all the same, or not. */
function directionSaid(dz, right) {
  const size = v => Math.hypot(...v), along = dot(dz, right);
  if (size(dz) < 1e-30 || size(right) < 1e-30) return [];
  const cosine = along / (size(dz) * size(right)), ratio = size(dz) / size(right);
  const length = `${ratio < 100 ? number(ratio, 2) : Math.round(ratio).toLocaleString("en")} times as long`;
  if (along > 0) return [`It still points downhill (cosine to the right one ${number(cosine, 2)}, ${length}): a step on z that is
    small enough lets the loss fall.`];
  return [`It does not point downhill (cosine to the right one ${number(cosine, 2)}, ${length}): a small step on z lets the loss ${
    along < 0 ? "rise" : "be"}.`];
}

/** The loss as the way computes it, beside the true one. */
function lossSaid({ found, truth: right, way, settings }) {
  if (alike(found.loss, right.loss)) return "";
  const capped = way.loss === "clipped" || way.loss === "floored";
  const why = Number.isNaN(found.loss) ? (found.p.some(Number.isNaN) ? "p is nan" : "0 · log 0 is nan") : found.loss === Infinity ? "log 0" : capped ? "p is held"
    : `rounding in float${settings.bits}`;
  return `(${why}), but truly ${number(right.loss)}`;
}
