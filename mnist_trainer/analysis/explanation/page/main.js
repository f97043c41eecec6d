"use strict";
// The page: a state, what changes it, and what is shown of it.

const page = unpacked(JSON.parse($("data").textContent));
const learner = new Learner(page);
let state = initialState(page.first);
let situation = null;
let last = ""; // what the last change did to learning, in words
let lookAhead = 0; // how many times the steps ahead were asked for

/** Change the state, show it, and put it behind the address; `said` is what that does besides. */
function change(patch, said = "") {
  last = said;
  state = { ...state, ...patch };
  state.row = clamp(state.row, 0, state.batch - 1);
  notice("");
  rememberState(state, page);
  show();
}

/** Show the state that the address has, and say what it has besides. */
function openAddress(text = location.hash.slice(1)) {
  const left = [];
  clearTimeout(remembering);
  state = stateFromText(text, page, left);
  last = "";
  if (state.learned.length && !tame(situationOf(state, page, learner).own)) {
    left.push("learned (these steps diverge)");
    state.learned = [];
  }
  const more = left.length > 2 ? `; and ${left.length - 2} more` : "";
  notice(left.length ? `<span class="bad">✗ Left out of what the address says:</span> ${left.slice(0, 2).map(escaped).join("; ")}${more}.` : "");
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
  const begins = state.strokes.length === 0, lost = droppedSaid() || (last.startsWith("dropped") ? last : "");
  change({ strokes: strokes.map(stroke => stroke.slice()), z: null, learned: [], ...(begins ? { label: null } : {}) }, lost);
});

/** Go to a test image, with the label that it has. */
function goTo(image) {
  const count = page.images.length, lost = droppedSaid();
  change({ image: (image + count) % count, strokes: [], label: null, z: null, learned: [] }, lost);
  const { z } = state.point ? SITUATIONS[state.point - 1](situation.own, situation.label) : {};
  if (z) change({ z }, lost); // a point's gap, which it is about, on this image, too
}

/** What goes where another picture, or a point, comes: what was done to z or to the weights was for this one. */
function droppedSaid() {
  const steps = stepsTaken(state.learned);
  return steps ? `dropped: the ${counted(steps, "step")} on the weights` : state.z && !state.point ? "dropped: the moved z" : "";
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
  rememberForGood(state, page);
  const own = page.network ? page.network.logits(situation.input) : situation.own; // before any step on the weights
  change({ ...SITUATIONS[number - 1](own, situation.label), learned: [], point: number }, droppedSaid());
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
  const onWeights = state.on === "weights";
  change({ z, ...(onWeights ? { on: "logits", rate: 1 } : {}) }, onWeights ? "z is moved: steps are on z again, with rate 1" : "");
}

/** Take steps of learning, the chosen way, as far as that goes. */
function learn(times) {
  const s = situation, onWeights = state.on === "weights";
  const room = onWeights ? Math.min(times, MOST_STEPS - stepsTaken(state.learned)) : times;
  let taken = 0, patch = {};
  for (; taken < room; taken++) {
    const next = onWeights ? learnedOnce(s, taken + 1) : movedOnce(s, patch.z ?? s.z);
    if (next === null) break;
    patch = next;
  }
  change(patch);
  const full = taken === room && room < times, stuck = taken < room || !situation.found.dz.every(Number.isFinite);
  const why = full ? `a link holds ${MOST_STEPS.toLocaleString("en")} steps, no more` : stuck ? `then: ${endOf(situation.found)}` : "";
  last = stepsSaid({ from: s.truth.loss, to: situation.truth.loss, title: s.way.title, taken, why });
  showLearning(situation);
}

/** What one more step makes of logits, or null. */
function movedOnce({ label, way, settings }, from) {
  const z = steppedLogits(from, label, way, settings, state.rate);
  return z && { z };
}

/** What `times` steps make of the weights, or null. */
function learnedOnce(s, times) {
  const learned = withStep(state.learned, { ...stepOf(s), times });
  return tame(learner.after(learned, s.input).logits(s.input)) ? { z: null, learned, label: s.label } : null;
}

/** What is to be known of a step on the weights, to take it again. */
const stepOf = ({ label, settings }) => ({ way: state.way, rate: state.rate, label, ...settings });

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
openAddress();
