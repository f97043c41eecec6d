"use strict";
// The state of the page, and how it is written after the address's #.

/** What a page starts with; `first` is the image that the lecture is about. */
const initialState = first => ({
  image: first, // its place among the images that the page has
  strokes: [], // what is drawn instead, if anything
  label: null, // the true class, if another than the image's own is chosen
  z: null, // the logits, if they are not the network's
  way: "separate",
  batch: 1,
  row: 0, // of this image in the batch
  bits: 64,
  unshifted: false, // softmax without subtracting the maximum
  targets: false, // dL/dt in the place of dL/dp
  rate: 1,
  on: "logits", // what a step is taken on
  learned: [], // the steps that were taken on the weights: [way, rate, batch, row, bits, unshifted, label, times]
  point: 0, // of the question, 1 to 11
});

const sixDecimals = value => String(Number(value.toFixed(6)));
const MOST_STEPS = 10000;
const stepAsText = ({ way, rate, batch, row, bits, unshifted, label, times }) =>
  [way, rate, batch, row, bits, Number(unshifted), label, times].join("*");

/** Each key of the address, as [field, to text, from text]; a text that makes no sense gives undefined. */
function stateFields(data) {
  const whole = (least, most) => text => {
    const value = Number(text);
    return Number.isInteger(value) && value >= least && value <= most ? value : undefined;
  };
  const classes = data.classes.length, flag = [value => (value ? 1 : 0), text => text === "1"];
  const way = text => (WAYS.some(one => one.name === text) ? text : undefined);
  const positive = text => (Number(text) > 0 && Number(text) < 1e9 ? Number(text) : undefined);
  const imageAt = text => {
    const place = data.images.findIndex(image => image.index === Number(text));
    return place < 0 ? undefined : place;
  };
  return {
    image: ["image", place => data.images[place].index, imageAt],
    drawn: ["strokes", strokesAsText, strokesFromText],
    true: ["label", String, whole(0, classes - 1)],
    z: ["z", z => z.map(sixDecimals).join(","), text => {
      const z = text.split(",").map(Number);
      return z.length === classes && z.every(Number.isFinite) ? z : undefined;
    }],
    loss: ["way", String, way],
    N: ["batch", String, whole(1, 4096)],
    row: ["row", String, whole(0, 4095)],
    float: ["bits", String, text => (text === "32" ? 32 : text === "64" ? 64 : undefined)],
    unshifted: ["unshifted", ...flag],
    dt: ["targets", ...flag],
    rate: ["rate", value => String(Number(value.toPrecision(3))), positive],
    on: ["on", String, text => (["logits", "weights"].includes(text) ? text : undefined)],
    learned: ["learned", steps => steps.map(stepAsText).join("~"), text => learnedFromText(text, way, classes)],
    point: ["point", String, whole(0, 11)],
  };
}

/** Read steps on the weights; nonsense among them makes all of them nonsense. */
function learnedFromText(text, way, classes) {
  const steps = text.split("~").map(each => {
    const [name, ...numbers] = each.split("*"), [rate, batch, row, bits, unshifted, label, times] = numbers.map(Number);
    const sound = way(name) && numbers.length === 7 && rate > 0 && [batch, row, label, times].every(Number.isInteger) &&
      batch >= 1 && row >= 0 && [32, 64].includes(bits) && label >= 0 && label < classes && times >= 1;
    return sound ? { way: name, rate, label, batch, row, bits, unshifted: unshifted === 1, times } : undefined;
  });
  const all = steps.reduce((sum, step) => sum + (step?.times ?? NaN), 0);
  return all <= MOST_STEPS ? steps : undefined;
}

/** Write what differs from the start. */
function stateAsText(state, data) {
  const first = initialState(data.first), parts = [];
  for (const [key, [field, write]] of Object.entries(stateFields(data))) {
    const value = state[field];
    if (value === null || JSON.stringify(value) === JSON.stringify(first[field])) continue;
    parts.push(`${key}=${write(value)}`);
  }
  return parts.join("&");
}

function stateFromText(text, data) {
  const state = initialState(data.first), fields = stateFields(data);
  for (const [key, value] of new URLSearchParams(text)) {
    const read = fields[key]?.[2](value);
    if (read !== undefined) state[fields[key][0]] = read;
  }
  state.row = Math.min(state.row, state.batch - 1);
  return state;
}

/** Put the state behind the address, or that and another after it; a frame that may not keeps it to itself. */
function rememberState(state, data, another = false) {
  const text = stateAsText(state, data);
  try {
    history[another ? "pushState" : "replaceState"](null, "", text ? `#${text}` : "#");
  } catch {
    // a sandbox: MLflow's page shows the file in one
  }
}
