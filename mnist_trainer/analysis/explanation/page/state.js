"use strict";
// The state of the page, and what it can be.

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
  learned: [], // the steps that were taken on the weights: { way, rate, label, batch, row, bits, unshifted, times }
  point: 0, // of the question, 1 to 11
});

const MOST_IMAGES = 4096; // in a batch
const MOST_STEPS = 10000; // on the weights: a link takes them all again
const MOST_LOGIT = 1e9; // what is beyond has diverged; float32 still has numbers there

/** Whether logits are numbers that one can go on with. */
const tame = z => z.every(x => Math.abs(x) <= MOST_LOGIT);

const stepsTaken = learned => learned.reduce((sum, { times }) => sum + times, 0);
