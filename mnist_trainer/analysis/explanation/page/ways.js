"use strict";
// The ways to write the loss, by the names of the configuration (`loss=...`), as parts of arithmetic.js.
//
// `dp` and `jacobian` say what is taken for dL/dp and for the derivative of softmax; null: neither is computed.
// `group` says what floating point leaves right of it.

/** What a group's name stands for. */
const GROUPS = {
  right: "right in floating point, too",
  "gradient right": "right in mathematics; in floating point the gradient stays right, but L is capped, inf or nan once p underflows",
  fragile: "right in mathematics, but in floating point there is no gradient once p underflows",
  "cut off": "right only where p is not clipped: elsewhere its gradient is 0",
  wrong: "wrong in mathematics",
};

const WAYS = [
  {
    name: "fused", title: "fused", group: "right", loss: "lse", dp: null, jacobian: null,
    about: "One node, from z to L by log-sum-exp. It never takes log p or 1/p, so nothing breaks where p underflows.",
  },
  {
    name: "separate", title: "two nodes", group: "gradient right", floor: true, loss: "floored", dp: "floored", jacobian: "whole",
    about: "Softmax and cross-entropy as two nodes (steps, each with the derivative by its own input). p is held above a floor, a "
      + "least value: 1e−30 in float32, 1e−300 in float64. Backward goes on with the held p, as if holding it had no derivative.",
  },
  {
    name: "homework", title: "homework", group: "gradient right", loss: "log", dp: null, jacobian: null,
    about: "One node, as the homework has it: softmax, then the log of p, which may be log 0; backward is (p − t)/N, without 1/p.",
  },
  {
    name: "textbook", title: "textbook", group: "fragile", loss: "log", dp: "right", jacobian: "whole",
    about: "Two nodes with the right derivatives, and nothing that keeps p from becoming 0.",
  },
  {
    name: "clipped", title: "clipped", group: "cut off", floor: true, loss: "clipped", dp: "clipped", jacobian: "whole",
    about: "Two nodes, p clipped to 1e−7 … 1 − 1e−7, in backward, too: outside, the derivative is 0.",
  },
  {
    name: "posted_question", title: "posted question", group: "wrong", loss: "log", dp: "posted", jacobian: "batch",
    about: "The question’s two nodes: (p − t)/N taken for ∂L/∂p, then multiplied by p ⊙ (np.eye(N) − p), entry by entry (⊙).",
  },
  {
    name: "posted_answer", title: "posted answer", group: "wrong", loss: "log", dp: "posted", jacobian: "diagonal",
    about: "Two mistakes: (p − t)/N, which has softmax's derivative in it already, is taken for ∂L/∂p; then that is multiplied by "
      + "the diagonal of J alone, p(1 − p). As this is never negative, no sign is wrong, and it often trains all the same; but near "
      + "p = 0 it is all but 0: the worse the mistake, the less the true class is pulled up.",
  },
  {
    name: "diagonal", title: "diagonal alone", group: "wrong", loss: "floored", dp: "floored", jacobian: "diagonal",
    about: "∂L/∂p is that of two nodes, of a p held above a floor; of J, made of softmax’s own p, only the diagonal is used.",
  },
  {
    name: "double_jacobian", title: "Jacobian twice", group: "wrong", floor: true, loss: "log", dp: "posted",
    jacobian: "whole",
    about: "(p − t)/N has the derivative of softmax in it already; here it is multiplied by J once more. J never turns a vector by "
      + "more than 90° (it is positive semidefinite): small steps still go down.",
  },
  {
    name: "logits_for_p", title: "x for smax(x)", group: "wrong", loss: "floored", dp: "floored", jacobian: "logits",
    about: "The question's formula as it stands, with the logits x where the probabilities smax(x) belong.",
  },
];
const wayNamed = name => WAYS.find(way => way.name === name) ?? WAYS[0];

/** The headings' formulas, by the parts of a way. */
const FORMULAS = {
  dp: {
    right: "g<sub>i</sub> = −t<sub>i</sub>/(Np<sub>i</sub>)",
    floored: "g<sub>i</sub> = −t<sub>i</sub>/(Np<sub>i</sub>)",
    clipped: "−t<sub>i</sub>/(Np<sub>i</sub>) or 0",
    posted: "g<sub>i</sub> = (p<sub>i</sub> − t<sub>i</sub>)/N",
  },
  jacobian: {
    whole: "J<sub>ij</sub> = p<sub>i</sub> (δ<sub>ij</sub> − p<sub>j</sub>)",
    diagonal: "p<sub>i</sub> (1 − p<sub>i</sub>), the diagonal",
    batch: "p ⊙ (eye(N) − p), this image's row",
    logits: "x<sub>i</sub> (δ<sub>ij</sub> − x<sub>j</sub>), x the logits",
  },
  dz: {
    whole: "Σ<sub>i</sub> g<sub>i</sub> J<sub>ij</sub> =",
    logits: "Σ<sub>i</sub> g<sub>i</sub> J<sub>ij</sub>",
    diagonal: "g<sub>j</sub> J<sub>jj</sub>",
    batch: "g<sub>j</sub> J<sub>jj</sub>",
    none: "(p<sub>j</sub> − t<sub>j</sub>) / N",
  },
};
