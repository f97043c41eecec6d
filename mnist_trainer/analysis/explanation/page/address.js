"use strict";
// The state behind the address's #: written so that it is read as it was, to the last bit of every number.

/** A number's shortest text that is read as the same number; a plus sign would be read as a blank. */
const exactly = value => String(value).replace("+", "");
const stepAsText = ({ way, rate, batch, row, bits, unshifted, label, times }) =>
  [way, exactly(rate), batch, row, bits, Number(unshifted), label, times].join("*");

/** Each key of the address, as [field, to text, from text, what fits]; a text that makes no sense gives undefined. */
function stateFields(data) {
  const whole = (least, most) => text => {
    const value = Number(text);
    return /^\d+$/.test(text) && value >= least && value <= most ? value : undefined;
  };
  const one = values => text => values.find(value => String(value) === text);
  const flag = [value => (value ? 1 : 0), text => (text === "1" ? true : text === "0" ? false : undefined), "0 or 1"];
  const classes = data.classes.length, way = one(WAYS.map(({ name }) => name));
  const positive = text => (Number(text) > 0 && Number(text) < 1e9 ? Number(text) : undefined);
  const imageAt = text => {
    const place = data.images.findIndex(({ index }) => String(index) === text);
    return place < 0 ? undefined : place;
  };
  const logits = text => {
    const z = text.split(",").map(part => (part.trim() ? Number(part) : NaN));
    return z.length === classes && tame(z) ? z : undefined;
  };
  return {
    image: ["image", place => data.images[place].index, imageAt, "an image that this page has"],
    drawn: ["strokes", strokesAsText, strokesFromText, "strokes, as the page writes them"],
    true: ["label", String, whole(0, classes - 1), `0 … ${classes - 1}`],
    z: ["z", z => z.map(exactly).join(","), logits, `${classes} numbers, none beyond 1e9`],
    loss: ["way", String, way, "one of the ten ways"],
    N: ["batch", String, whole(1, MOST_IMAGES), `1 … ${MOST_IMAGES.toLocaleString("en")}`],
    row: ["row", String, whole(0, MOST_IMAGES - 1), "0 … N − 1"],
    float: ["bits", String, one([32, 64]), "32 or 64"],
    unshifted: ["unshifted", ...flag],
    dt: ["targets", ...flag],
    rate: ["rate", exactly, positive, "above 0, below 1e9"],
    on: ["on", String, one(["logits", "weights"]), "logits or weights"],
    learned: ["learned", steps => steps.map(stepAsText).join("~"), text => learnedFromText(text, way, classes),
      `steps as the page writes them, ${MOST_STEPS.toLocaleString("en")} at most`],
    point: ["point", String, whole(0, 11), "1 … 11"],
  };
}

/** Read steps on the weights; nonsense among them makes all of them nonsense. */
function learnedFromText(text, way, classes) {
  const steps = text.split("~").map(each => {
    const [name, ...numbers] = each.split("*"), [rate, batch, row, bits, unshifted, label, times] = numbers.map(Number);
    const sound = way(name) && numbers.length === 7 && rate > 0 && rate < 1e9 && [batch, row, label, times].every(Number.isInteger) &&
      batch >= 1 && batch <= MOST_IMAGES && row >= 0 && row < batch && [32, 64].includes(bits) && label >= 0 && label < classes && times >= 1;
    return sound ? { way: name, rate, label, batch, row, bits, unshifted: unshifted === 1, times } : undefined;
  });
  return steps.every(Boolean) && stepsTaken(steps) <= MOST_STEPS ? steps : undefined;
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

/** Read a state; `left` gets what is left out of it, in words. */
function stateFromText(text, data, left = []) {
  const state = initialState(data.first), fields = stateFields(data);
  for (const [key, value] of new URLSearchParams(text)) {
    const [field, , read, fits] = fields[key] ?? [], found = read?.(value);
    if (found !== undefined) state[field] = found;
    else left.push(`${shortened(`${key}=${value}`)} (${field ? `would fit: ${fits}` : "no such key"})`);
  }
  return together(state, data, left);
}

const shortened = text => (text.length <= 24 ? text : `${text.slice(0, 23)}…`);

/** Leave out what doesn't go with the rest of a state. */
function together(state, data, left) {
  const first = initialState(data.first);
  const without = (field, key, why) => {
    left.push(`${key} (${why})`);
    state[field] = first[field];
  };
  if (data.network === null) {
    if (state.strokes.length) without("strokes", "drawn", "this page has no network to see it");
    if (state.learned.length) without("learned", "learned", "this page has no network to teach");
    if (state.on === "weights") without("on", "on=weights", "this page has no network");
  }
  if (state.z && state.on === "weights") without("on", "on=weights", "a step on the weights needs the network’s own z, and here is another");
  if (state.row >= state.batch) without("row", `row=${state.row}`, `of N = ${state.batch} the last is ${state.batch - 1}`);
  if (state.point && state.way !== wayOfPoint(state.point)) {
    without("point", `point=${state.point}`, `which is about “${wayNamed(wayOfPoint(state.point)).title}”, not “${wayNamed(state.way).title}”`);
  }
  return state;
}

const AT_LEAST = 120; // milliseconds between two addresses: browsers let a page change it 100 times in 10 seconds
let rememberedAt = -AT_LEAST, remembering = null;

/** Put a state behind the address, at once or soon. */
function rememberState(state, data) {
  clearTimeout(remembering);
  const write = () => writeAddress(stateAsText(state, data), "replaceState"), wait = rememberedAt + AT_LEAST - performance.now();
  if (wait > 0) remembering = setTimeout(write, wait);
  else write();
}

/** Put a state behind the address, and leave it there: the browser's way back leads to it. */
function rememberForGood(state, data) {
  clearTimeout(remembering);
  const text = stateAsText(state, data);
  writeAddress(text, "replaceState");
  writeAddress(text, "pushState");
  rememberedAt = -AT_LEAST; // what comes after it is another at once
}

/** A frame that may not change its address keeps the state to itself. */
function writeAddress(text, how) {
  rememberedAt = performance.now();
  try {
    history[how](null, "", `#${text}`);
  } catch {
    // a sandbox: MLflow's page shows the file in one
  }
}
