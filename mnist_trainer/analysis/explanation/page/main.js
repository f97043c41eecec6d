"use strict";
// The page: a state, what changes it, and what is shown of it.

const page = unpacked(JSON.parse($("data").textContent));
const learner = new Learner(page);
let state = stateFromText(location.hash.slice(1), page);
let situation = null;
let last = null; // what the last step of learning did to the loss: { from, to, way, times }
let lookAhead = 0; // how many times the steps ahead were asked for

/** Change the state, show it, and put it behind the address. */
function change(patch) {
  if (!("taken" in patch)) last = null;
  const { taken, ...changed } = patch;
  state = { ...state, ...changed };
  state.row = clamp(state.row, 0, state.batch - 1);
  rememberState(state, page);
  show();
}

const flow = new FlowView({
  label: k => change({ label: k }),
  logit(k, value) {
    const z = [...(state.z ?? situation.own)];
    z[k] = Number(value.toFixed(3));
    move(z);
  },
});

const pad = new Pad($("pad"), strokes => {
  const begins = state.strokes.length === 0;
  change({ strokes: strokes.map(stroke => stroke.slice()), z: null, learned: [], ...(begins ? { label: null } : {}) });
});

/** Go to a test image, with the label that it has. */
function goTo(image) {
  const count = page.images.length;
  change({ image: (image + count) % count, strokes: [], label: null, z: null, learned: [] });
}

function nextMistake() {
  for (let k = 1; k <= page.images.length; k++) {
    const place = (state.image + k) % page.images.length;
    if (page.images[place].predicted !== page.images[place].label) return goTo(place);
  }
  return undefined;
}

/** Go to the situation of a point of the question. */
function goToPoint(number) {
  if (number === state.point) return change({ point: 0 });
  rememberState(state, page, true); // the browser's way back leads here
  change({ ...SITUATIONS[number - 1](situation.own, situation.label), learned: [], point: number });
  return lookAtAnswer();
}

/** Scroll to the answer, where it is out of sight. */
function lookAtAnswer() {
  const { top, bottom } = $("answer").getBoundingClientRect();
  if (!$("answer").hidden && (top < 0 || bottom > innerHeight)) $("answer").scrollIntoView({ block: "center" });
}

function setGap(gap) {
  const base = state.z ?? situation.own;
  const most = Math.max(...base.filter((_, i) => i !== situation.label));
  move(base.map((x, i) => (i === situation.label ? Number((most - gap).toFixed(3)) : x)));
}

/** Let the logits be others than the network's: a step is taken on them, then. */
function move(z) {
  change({ z, ...(state.on === "weights" ? { on: "logits", rate: 1 } : {}) });
}

/** Take steps of learning, the chosen way. */
function learn(times) {
  const s = situation, from = s.truth.loss;
  if (state.on === "logits") {
    let z = s.z;
    for (let k = 0; k < times; k++) z = steppedLogits(z, s.label, s.way, s.settings, state.rate) ?? z;
    change({ z, taken: true });
  } else {
    const step = { way: state.way, rate: state.rate, label: s.label, ...s.settings, times };
    change({ z: null, learned: withStep(state.learned, step), label: state.label ?? s.label, taken: true });
  }
  last = { from, to: situation.truth.loss, title: s.way.title, times };
  showLearning(situation);
}

/** Add steps to those that were taken; like ones are counted together. */
function withStep(steps, { times, ...step }) {
  const { times: before, ...latest } = steps.at(-1) ?? {};
  if (JSON.stringify(latest) !== JSON.stringify(step)) return [...steps, { ...step, times }];
  return [...steps.slice(0, -1), { ...step, times: before + times }];
}

function show() {
  const s = situation = situationOf(state, page, learner);
  flow.show(s);
  showSwitches();
  showImage(s);
  showWords(s);
  showPoints(s);
  showLearning(s);
  say($("program"), escaped(programOf(s)));
}

setUp();
show();
