"use strict";
// The formulas: from the logits z of one image to its loss and dL/dz, as each way writes them.
//
// The image is row `row` of a batch of N images, whose mean loss has the factor 1/N. Vectors are arrays of C numbers.
// `f` rounds every result to the number format: x => x for float64, Math.fround for float32.

const FORMATS = {
  64: { f: x => x, floor: 1e-300 },
  32: { f: Math.fround, floor: 1e-30 }, // what the node Softmax holds p up to
};
const EPSILON = 1e-7; // of the clipped way

/** p_i = e^z_i / Σ_j e^z_j, shifted by the largest logit unless `unshifted`. */
function softmax(z, f, unshifted) {
  const largest = unshifted ? 0 : Math.max(...z);
  const e = z.map(x => f(Math.exp(f(x - largest))));
  const sum = e.reduce((total, x) => f(total + x), 0);
  return e.map(x => f(x / sum));
}

const oneHot = (label, classes) => Array.from({ length: classes }, (_, i) => Number(i === label));
const sumOf = (values, f) => values.reduce((total, x) => f(total + x), 0);
const dot = (one, other, f = x => x) => sumOf(one.map((x, i) => f(x * other[i])), f);

/** log p of every class, as a loss reads it: L and dL/dt are made of these. */
const LOGS = {
  // z − lse(z), with log-sum-exp: no log of a p that has underflowed
  lse(z, p, { f, unshifted }) {
    const largest = unshifted ? 0 : Math.max(...z);
    const sum = z.reduce((total, x) => f(total + f(Math.exp(f(x - largest)))), 0);
    return z.map(x => f(f(x - largest) - f(Math.log(sum))));
  },
  log: (z, p, { f }) => p.map(x => f(Math.log(x))),
  floored: (z, p, { f, floor }) => p.map(x => f(Math.log(Math.max(x, floor)))),
  clipped: (z, p, { f }) => p.map(x => f(Math.log(clip(x, f)))),
};

/** −Σ t log p, `t` one-hot; where the log is taken of whole rows, as the question writes it, 0 · log 0 is NaN. */
function lossOf({ loss }, logs, t, { f }) {
  return -(loss === "log" ? sumOf(logs.map((x, i) => f(t[i] * x)), f) : logs[t.indexOf(1)]);
}

const clip = (x, f) => Math.min(Math.max(x, f(EPSILON)), f(1 - f(EPSILON)));

/** dL/dp, or what is passed off as it. */
const BY_P = {
  right: (p, t, { batch, f }) => p.map((x, i) => f(f(-t[i] / x) / batch)), // −t / p / N, entry by entry: −0/0 is NaN
  floored: (p, t, { batch, floor, f }) => p.map((x, i) => (t[i] ? f(f(-t[i] / Math.max(x, floor)) / batch) : 0)),
  clipped: (p, t, { batch, f }) =>
    p.map((x, i) => (t[i] && x === clip(x, f) ? f(f(-t[i] / x) / batch) : 0)),
  posted: (p, t, { batch, f }) => p.map((x, i) => f(f(x - t[i]) / batch)),
};

/** J_ij = ∂p_i/∂z_j, or what is passed off as it; null is an entry that is left out. */
const JACOBIANS = {
  whole: (p, z, { f }) => p.map((x, i) => p.map((y, j) => (i === j ? f(x * f(1 - x)) : -f(x * y)))),
  diagonal: (p, z, { f }) => p.map((x, i) => p.map((_, j) => (i === j ? f(x * f(1 - x)) : null))),
  // p ⊙ (np.eye(N) − p): row `row` of an identity of the batch's size, which has C entries only where N = C
  batch: (p, z, { f, batch, row }) =>
    p.map((x, i) => p.map((_, j) => (i === j ? f(x * f(Number(batch === 1 || row === i) - x)) : null))),
  // x_i (δ_ij − x_j), with the logits where smax(x) belongs
  logits: (p, z, { f }) => z.map((x, i) => z.map((y, j) => f(x * f(Number(i === j) - y)))),
};

/** Σ_i dL/dp_i · J_ij, with J built; what is left out adds nothing. */
function contracted(dp, jacobian, f) {
  return jacobian.map((_, j) => sumOf(dp.map((g, i) => (jacobian[i][j] === null ? 0 : f(g * jacobian[i][j]))), f));
}

/** p ⊙ (g − Σ_c g_c p_c), with g = dL/dp: the same product, no J built. */
function vectorJacobian(dp, p, f) {
  const mean = dot(dp, p, f);
  return p.map((x, i) => f(x * f(dp[i] - mean)));
}

/** Why shapes don't go together, or null: np.eye(N) is (N, N), p is (N, C). */
function refusal(way, classes, batch) {
  return way.jacobian === "batch" && batch !== 1 && batch !== classes
    ? `np.eye(${batch}) has the shape (${batch}, ${batch}), p has (${batch}, ${classes}): they don't go together`
    : null;
}

/** The p of the true class as the loss reads it: clipped, held above the floor, or as it is. */
function readByLoss({ loss }, p, { f, floor }) {
  return loss === "clipped" ? clip(p, f) : loss === "floored" ? Math.max(p, floor) : p;
}

/** All that a way computes: { p, loss, dt, read, dp, jacobian, dz, refused }; `read` is readByLoss. What it doesn't is null. */
function attempt(way, z, label, { batch = 1, row = 0, bits = 64, unshifted = false } = {}) {
  const s = { ...FORMATS[bits], batch, row, unshifted };
  const logits = z.map(s.f), t = oneHot(label, z.length);
  let p = softmax(logits, s.f, unshifted);
  if (way.floor) p = p.map(x => Math.max(x, s.floor));
  const logs = LOGS[way.loss](logits, p, s), refused = refusal(way, z.length, batch);
  const common = { p, loss: lossOf(way, logs, t, s), dt: logs.map(x => s.f(-x / batch)), read: readByLoss(way, p[label], s), refused };
  if (way.jacobian === null) return { ...common, dp: null, jacobian: null, dz: BY_P.posted(p, t, s) };
  const dp = BY_P[way.dp](p, t, s);
  if (refused) return { ...common, dp, jacobian: null, dz: null };
  const jacobian = JACOBIANS[way.jacobian](p, logits, s);
  const dz = way.jacobian === "whole" ? vectorJacobian(dp, p, s.f) : contracted(dp, jacobian, s.f);
  return { ...common, dp, jacobian, dz };
}

/** The loss of one image in float64, with log-sum-exp, as `truth` has it. */
function trueLoss(z, label) {
  const largest = Math.max(...z), top = z.indexOf(largest);
  return Math.log1p(sumOf(z.map((x, i) => (i === top ? 0 : Math.exp(x - largest))), x => x)) - (z[label] - largest);
}

const NUDGE = 1e-4;

/** What L / N is seen to do when one logit is moved to either side, divided by how far: no derivative is asked for. */
function measuredSlope(z, k, label, batch) {
  const [more, less] = [NUDGE, -NUDGE].map(by => z.map((x, i) => (i === k ? x + by : x)));
  return (trueLoss(more, label) - trueLoss(less, label)) / (more[k] - less[k]) / batch;
}

/** What all are held against: float64 with log-sum-exp, no 1 added to or subtracted from what is much smaller. */
function truth(z, label, batch = 1) {
  const largest = Math.max(...z), top = z.indexOf(largest);
  const e = z.map(x => Math.exp(x - largest));
  const rest = sumOf(e.map((x, i) => (i === top ? 0 : x)), x => x);
  const p = e.map(x => x / (1 + rest));
  const notP = e.map((x, i) => (i === top ? rest : rest - x + 1) / (1 + rest));
  const surprise = z.map(x => Math.log1p(rest) - (x - largest));
  return {
    p,
    loss: surprise[label],
    dp: p.map((x, i) => (i === label ? -Math.exp(surprise[label]) / batch : 0)),
    dt: surprise.map(x => x / batch),
    jacobian: p.map((x, i) => p.map((y, j) => (i === j ? x * notP[i] : -x * y))),
    dz: p.map((x, i) => (i === label ? -notP[i] : x) / batch),
  };
}
