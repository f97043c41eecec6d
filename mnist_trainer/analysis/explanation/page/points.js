"use strict";
// The question, point by point: the situation that shows each, and what is said of it with the numbers at hand.
//
// The quotes, and whether they are right, are data of the page. `s` is the situation (see situation.js).

/** The logits with the true class a gap under the largest, the others at most 20 under it: it alone underflows. */
function logitsWithGap(z, label, gap) {
  const most = Math.max(...z.filter((_, i) => i !== label));
  return z.map((x, i) => (i === label ? -gap : Math.max(x - most, -20)));
}

const PLAIN = { z: null, way: "separate", batch: 1, row: 0, bits: 64, unshifted: false, targets: false, on: "logits", rate: 1 };

/** What each point changes of the state, given the network's logits and the true class. */
const SITUATIONS = [
  () => ({ ...PLAIN }),
  () => ({ ...PLAIN, batch: 128 }),
  () => ({ ...PLAIN, way: "posted_question", batch: 128 }),
  () => ({ ...PLAIN, way: "logits_for_p" }),
  () => ({ ...PLAIN, way: "double_jacobian" }),
  () => ({ ...PLAIN, targets: true }),
  () => ({ ...PLAIN, way: "diagonal" }),
  () => ({ ...PLAIN }),
  z => ({ ...PLAIN, way: "textbook", bits: 32, unshifted: true, z: z.map(x => x + 100) }),
  (z, label) => ({ ...PLAIN, way: "textbook", bits: 32, z: logitsWithGap(z, label, 104) }),
  (z, label) => ({ ...PLAIN, way: "fused", bits: 32, z: logitsWithGap(z, label, 104) }),
];

const wayOfPoint = number => SITUATIONS[number - 1]([], 0).way;

const shortest = x => exponents(Math.abs(x) < 1e6 ? String(x) : x.toExponential());

/** Numbers with as few digits as a calculator needs to get the result as it is written. */
function factors(result, compute, ...values) {
  for (let digits = 4; digits < 11; digits++) {
    const texts = values.map(v => (digits === 4 ? number(v) : shortest(Number(v.toPrecision(digits)))));
    const read = texts.map(text => Number(text.replaceAll("−", "-")));
    if (compute(...read) === result) return texts;
  }
  return values.map(v => number(v));
}

/** dL/dp · J at the true class's row: a product that one can do by hand. */
function byHand(s, j) {
  const one = s.truth.dp[s.label], other = s.truth.jacobian[s.label][j], result = number(one * other);
  if (!Number.isFinite(one * other) || other === 0) return `(−1/(N p)) · (−p p(${s.name(j)})), in which p cancels`;
  const [a, b] = factors(result, (x, y) => number(x * y), one, other);
  return `(${a}) · (${b}) ≈ ${result}`;
}

/** What the table above has instead of figures that are right, each [its name, the right one, the table's]; null is none. */
function besides(s, ...figures) {
  const others = figures.filter(([, right, found]) => found !== null && !alike(right, found));
  if (!others.length) return "";
  const theirs = listed(others.map(([name, , found]) => `${name} = ${number(found)}`));
  return ` These numbers are right; “${s.way.title}” has ${theirs} in the table above, in float${s.settings.bits}.`;
}

/** One figure each for `besides`: of ∂L/∂p, of J, of ∂L/∂z. */
const byP = (s, k) => [`∂L/∂p(${s.name(k)})`, s.truth.dp[k], s.found.dp && s.found.dp[k]];
const inJ = (s, i, j) => [`J(${s.name(i)}, ${s.name(j)})`, s.truth.jacobian[i][j], s.found.jacobian && s.found.jacobian[i][j]];
const byZ = (s, k) => [`∂L/∂z(${s.name(k)})`, s.truth.dz[k], s.found.dz && s.found.dz[k]];

const code = text => `<code>${text}</code>`;
const perBatch = s => (s.settings.batch === 1 ? "" : ` (N = ${s.settings.batch})`);

/** What is answered; each returns HTML whose every number is computed. */
const ANSWERS = [
  s => `It is multiplied in: ∂L/∂p(${s.name(s.label)}) · J(${s.name(s.label)}, ${s.name(s.rival)}) = ${byHand(s, s.rival)}, and
    (p − t)/N at ${s.called(s.rival)} is ${number(s.truth.dz[s.rival])}${perBatch(s)}.${besides(s, byP(s, s.label), inJ(s, s.label, s.rival), byZ(s, s.rival))}
    (The first finding of that answer, that separate nodes are valid too, is right.)`,
  s => `You get it: backward asks for the product of ∂L/∂p with J, ${s.classes}×${s.classes} for each image, not for J. That is
    ${s.classes} numbers for ${s.settings.batch === 1 ? "the one image" : `each of ${s.settings.batch} images`}: (${s.settings.batch}, ${s.classes}), the size of the input.
    Its name is vector-Jacobian product.`,
  s => `${code("shape[0]")} counts the images, ${s.settings.batch} here. δ<sub>ij</sub> is an entry of an identity over the
    <em>classes</em>, ${code(`np.eye(${s.classes})`)} for each image. ${identitySaid(s)}`,
  s => `Each x must be smax(x), a probability. ${worstOfLogits(s)}`,
  s => `That one, (p − t)/N, is with respect to the logits. With respect to p it is −t/(N p): ${number(s.truth.dp[s.label])} at
    ${s.called(s.label)} and 0 at ${s.called(s.rival)}, not ${listed([s.label, s.rival].map(k => number(s.truth.dz[k])))}${perBatch(s)}.${
    s.way.dp === "posted" ? "" : besides(s, byP(s, s.label))}`,
  s => `The targets are an input, too, and −log p / N is the derivative with respect to them: ${number(s.truth.dt[s.label])} at
    ${s.called(s.label)}, ${number(s.truth.dt[s.rival])} at ${s.called(s.rival)}${perBatch(s)}.${
    besides(s, ...[s.label, s.rival].map(k => [`∂L/∂t(${s.name(k)})`, s.truth.dt[k], s.found.dt[k]]))}`,
  s => `The diagonal of J only (shown with ∂L/∂p put right: “diagonal alone”). Each p depends on every z: J(${s.name(s.rival)}, ${s.name(s.label)}) is
    ${number(s.truth.jacobian[s.rival][s.label])}, and stands beside it.${
    besides(s, inJ(s, s.rival, s.label))} With the diagonal alone every class but
    ${s.name(s.label)} gets 0 from the right ∂L/∂p.`,
  s => `Right, if each is weighted by ∂L/∂p<sub>i</sub>: the sum at ${s.called(s.label)} is then ${number(s.truth.dz[s.label])}${perBatch(s)}.${besides(s, byZ(s, s.label))}
    The comment leaves the weights out; without them every column of J sums to 0${columnsShown(s) ? " (the first line under it)" : ""}.`,
  s => `Subtracting the maximum, ${number(Math.max(...s.z), 3)} here, changes neither p nor the gradient, since the rows of J sum to 0.
    It keeps e<sup>z</sup> finite: ${unshiftedSaid(s)}`,
  s => `In float32 1/p overflows once L passes 88.7; p is 0 from about L = 104 on, and a wrong class’s p of 0 is as bad.
    ${exampleSaid(s, broken(s))}; in float32 ${fates(broken(s), ["fused", "separate", "homework", "textbook"]).join(";")}.`,
  s => `In mathematics, yes, and both are fine. In float32 it also matters how each is written. ${exampleSaid(s, broken(s))}:
    two nodes as in a textbook have a loss of ${number(inFloat32(broken(s), "textbook").loss)}; with p held above a floor, as “two nodes”
    here, ${number(inFloat32(broken(s), "separate").loss)}; log-sum-exp in one node says ${number(inFloat32(broken(s), "fused").loss)}.`,
];

/** The situation, if the textbook's loss breaks in it; else the same with a gap at which it does. */
function broken(s) {
  if (!Number.isFinite(inFloat32(s, "textbook").loss)) return s;
  const z = logitsWithGap(s.z, s.label, 104);
  return { ...s, z, gap: 104, truth: truth(z, s.label, s.settings.batch) };
}

const exampleSaid = (s, example) =>
  `Where the logit of ${s.called(s.label)} is ${gapSaid(example)}${example === s ? "" : " instead"}, L is ${number(example.truth.loss)}`;

const inFloat32 = (s, name) => attempt(wayNamed(name), s.z, s.label, { ...s.settings, bits: 32, unshifted: false });

/** What ways make of the situation in float32. */
const fates = (s, names) => names.map(name => {
  const { loss, dz } = inFloat32(s, name);
  return `<br>${wayNamed(name).title}: L ${number(loss)}, ∂L/∂z(${s.name(s.label)}) ${number(dz[s.label])}`;
});

function gapSaid({ gap }) {
  if (Math.abs(gap) < 0.0005) return "level with the largest other logit";
  return `${number(Math.abs(gap), 1)} ${gap > 0 ? "under" : "above"} the largest other logit`;
}

function identitySaid(s) {
  const { batch } = s.settings, way = wayNamed("posted_question"), refused = refusal(way, s.classes, batch);
  if (refused) return `${code(refused.replaceAll("'", "’"))}, so it can't run.`;
  const { dz, p } = attempt(way, s.z, s.label, s.settings);
  const off = dz.every(Number.isFinite) ? `off by up to ${number(largestDifference(dz, s.truth.dz))}${uphill(s, dz)}`
    : `${[...new Set(dz.filter(x => !Number.isFinite(x)).map(x => number(x)))].join(" or ")}${p.every(Number.isFinite) ? "" : ", as p is"}`;
  const where = s.settings.bits === 32 ? "in float32 " : "";
  if (batch === 1) return `With one image, np.eye(1) is a 1, and np.eye(1) − p is 1 − p in every column, the posted answer: ${where}∂L/∂z is ${off}.`;
  return `With N = ${batch}, as many images as classes, it runs: ${where}∂L/∂z of image ${s.settings.row} is ${off}.`;
}

/** Whether it even goes up: the identity's 1 stands at one class alone, the other entries have the wrong sign. */
const uphill = (s, dz) => (dot(dz, s.truth.dz) < 0 ? ", and a small step goes uphill" : "");

/** Whether the columns of the table's J are seen to sum to 0. */
function columnsShown({ found: { jacobian, p }, way }) {
  return jacobian !== null && way.jacobian === "whole" && p.every(Number.isFinite);
}

/** Where the logits in the place of p do most harm. */
function worstOfLogits(s) {
  const { f } = FORMATS[s.settings.bits], posted = JACOBIANS.logits(s.found.p, s.z.map(f), { f });
  let worst = [0, 0];
  posted.forEach((line, i) => line.forEach((x, j) => {
    const off = (a, b) => Math.abs(posted[a][b] - s.truth.jacobian[a][b]);
    if (off(i, j) > off(...worst)) worst = [i, j];
  }));
  const [i, j] = worst;
  return `With the logits, as it stands, J(${s.name(i)}, ${s.name(j)}) would be ${number(posted[i][j])}; it is
    ${number(s.truth.jacobian[i][j])}.${s.way.jacobian === "logits" ? "" : besides(s, inJ(s, i, j))}`;
}

function unshiftedSaid(s) {
  const { f } = FORMATS[s.settings.bits], format = `float${s.settings.bits}`;
  const p = softmax(s.z.map(f), f, true), off = largestDifference(p, softmax(s.z.map(f), f, false));
  const differs = `p differs by ${off ? power(off) : 0}`;
  if (off <= roundingOf(s)) return `in ${format} one can do without it here (${differs}).`;
  if (p.every(x => x === 0)) return `without it, Σ e<sup>z</sup> is inf in ${format} here, and every p is 0.`;
  const became = p.every(Number.isFinite) ? differs : "p is nan";
  return `without it, e<sup>z</sup> is too ${Math.max(...s.z) > 0 ? "large" : "small"} for ${format} here, and ${became}.`;
}
