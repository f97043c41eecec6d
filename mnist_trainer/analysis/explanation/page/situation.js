"use strict";
// What there is to be shown: from the state to the picture, the logits, what the chosen way computes, and the truth.

/** The page's data, unpacked: images, their labels, the network or the images' logits. */
function unpacked(data) {
  const pixels = fromBase64(data.pixels, Uint8Array), [height, width, channels] = data.shape;
  const size = height * width * channels;
  return {
    ...data,
    pixelsOf: place => pixels.subarray(place * size, (place + 1) * size),
    network: data.layers && Network.read(data.layers),
    logits: data.logits && Array.from({ length: data.images.length }, (_, k) =>
      [...fromBase64(data.logits, Float64Array).subarray(k * data.classes.length, (k + 1) * data.classes.length)]),
  };
}

/** The network after the steps that were taken on its weights; what was computed last is gone on with. */
class Learner {
  constructor(page) {
    this.page = page;
    this.network = page.network;
    this.done = [];
    this.input = null;
  }

  after(steps, input) {
    const single = steps.flatMap(({ times, ...step }) => Array(times).fill(JSON.stringify(step)));
    const goesOn = this.done.every((step, k) => step === single[k]) && (!this.done.length || same(this.input, input));
    if (!goesOn) [this.network, this.done] = [this.page.network, []];
    if (single.length > this.done.length && !this.done.length) this.network = this.page.network.copy();
    for (const text of single.slice(this.done.length)) {
      const { way, rate, label, ...settings } = JSON.parse(text);
      steppedNetwork(this.network, input, this.network.logits(input), label, wayNamed(way), settings, rate);
    }
    [this.done, this.input] = [single, input];
    return this.network;
  }
}

const same = (one, other) => one.length === other.length && one.every((x, i) => x === other[i]);

/** Put together all that is shown of a state. */
function situationOf(state, page, learner) {
  const drawn = state.strokes.length > 0 && page.network !== null;
  const { bytes, isDigit } = drawn
    ? prepared(drawnPicture(state.strokes), page.preparation, page.shape)
    : { bytes: page.pixelsOf(state.image), isDigit: true };
  const input = Float64Array.from(bytes, value => value * page.scale + page.shift);
  const network = page.network && learner.after(state.learned, input);
  const own = network ? network.logits(input) : page.logits[state.image];
  const label = state.label ?? (drawn ? indexOfLargest(own) : page.images[state.image].label);
  const z = state.z ?? own, classes = z.length;
  const settings = { batch: state.batch, row: state.row, bits: state.bits, unshifted: state.unshifted };
  const way = wayNamed(state.way), others = z.map((x, i) => (i === label ? -Infinity : x));
  const names = page.classes.every(name => name.length <= 5) ? page.classes : page.classes.map((_, i) => String(i));
  return {
    state, drawn, isDigit, bytes, input, network, own, z, label, classes, settings, way,
    rival: indexOfLargest(others),
    predicted: indexOfLargest(own),
    gap: Math.max(...others) - z[label],
    truth: truth(z, label, state.batch),
    found: attempt(way, z, label, settings),
    name: k => escaped(names[k]),
    called: k => (/^\d+$/.test(names[k]) ? `class ${names[k]}` : escaped(names[k])), // in a sentence
    fullName: k => escaped(page.classes[k]),
    shown: shownClasses(own, label),
  };
}

/** The classes that have a row: all up to ten, else the true one and those the network finds likeliest. */
function shownClasses(z, label) {
  const order = z.map((_, i) => i).filter(i => i !== label).sort((a, b) => z[b] - z[a]);
  return [label, ...order.slice(0, 9)].sort((a, b) => a - b);
}
