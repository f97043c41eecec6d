"use strict";
// The trained network, fully connected, in float64 on the weights that were trained: forward, backward, a step.

/** Read little-endian numbers, or bytes, from base64. */
function fromBase64(text, Kind) {
  const bytes = Uint8Array.from(atob(text), sign => sign.charCodeAt(0));
  return new Kind(bytes.buffer);
}

// Of each kind of layer that has no weights: y of x, and dL/dx given dL/dy, x and y.
const GELU_SCALE = Math.sqrt(2 / Math.PI), GELU_CUBIC = 0.044715;
const ACTIVATIONS = {
  relu: { forward: x => Math.max(x, 0), slope: (x, y) => Number(y > 0) },
  leaky_relu: { forward: (x, k) => Math.max(x, k * x), slope: (x, y, k) => (y > 0 ? 1 : k) },
  tanh: { forward: Math.tanh, slope: (x, y) => 1 - y * y },
  sigmoid: { forward: x => 0.5 * Math.tanh(0.5 * x) + 0.5, slope: (x, y) => y * (1 - y) },
  gelu: {
    forward: x => 0.5 * x * (1 + Math.tanh(GELU_SCALE * (x + GELU_CUBIC * x ** 3))),
    slope(x) {
      const h = Math.tanh(GELU_SCALE * (x + GELU_CUBIC * x ** 3));
      return 0.5 * (1 + h) + 0.5 * x * (1 - h * h) * GELU_SCALE * (1 + 3 * GELU_CUBIC * x * x);
    },
  },
};

class Network {
  /** Layers are { kind: "linear", weights (inputs × units, row by row), bias, units } or { kind, slope }. */
  constructor(layers) {
    this.layers = layers;
  }

  static read(entries) {
    return new Network(entries.map(entry => (entry.kind !== "linear" ? entry : {
      ...entry,
      weights: Float64Array.from(fromBase64(entry.weights, Float32Array)),
      bias: entry.bias === null ? null : Float64Array.from(fromBase64(entry.bias, Float32Array)),
    })));
  }

  copy() {
    return new Network(this.layers.map(layer => (layer.kind !== "linear" ? layer : {
      ...layer, weights: layer.weights.slice(), bias: layer.bias?.slice() ?? null,
    })));
  }

  /** Return what each layer gets, and last the logits. */
  forward(input) {
    const values = [input];
    for (const layer of this.layers) {
      const x = values.at(-1);
      values.push(layer.kind === "linear" ? affine(x, layer) : x.map(v => ACTIVATIONS[layer.kind].forward(v, layer.slope)));
    }
    return values;
  }

  logits(input) {
    return [...this.forward(input).at(-1)];
  }

  /** Take one step against the gradient of all weights, given dL/dz; return the new logits. */
  step(input, dz, rate) {
    const values = this.forward(input);
    let dy = Float64Array.from(dz);
    for (let k = this.layers.length - 1; k >= 0; k--) {
      const layer = this.layers[k], x = values[k], y = values[k + 1];
      if (layer.kind === "linear") {
        const dx = k ? inputGradient(dy, layer) : null; // before the weights change
        descend(layer, x, dy, rate);
        dy = dx;
      } else if (dy) {
        dy = dy.map((g, i) => g * ACTIVATIONS[layer.kind].slope(x[i], y[i], layer.slope));
      }
    }
    return this.logits(input);
  }
}

/** y = x W + b. */
function affine(x, { weights, bias, units }) {
  const y = bias ? Float64Array.from(bias) : new Float64Array(units);
  for (let i = 0; i < x.length; i++) {
    const xi = x[i], start = i * units;
    if (xi !== 0) for (let j = 0; j < units; j++) y[j] += xi * weights[start + j];
  }
  return y;
}

/** dL/dx = dL/dy Wᵀ. */
function inputGradient(dy, { weights, units }) {
  const dx = new Float64Array(weights.length / units);
  for (let i = 0; i < dx.length; i++) {
    let sum = 0;
    for (let j = 0; j < units; j++) sum += dy[j] * weights[i * units + j];
    dx[i] = sum;
  }
  return dx;
}

/** W ← W − rate · xᵀ dL/dy, b ← b − rate · dL/dy. */
function descend({ weights, bias, units }, x, dy, rate) {
  for (let i = 0; i < x.length; i++) {
    const xi = rate * x[i], start = i * units;
    if (xi !== 0) for (let j = 0; j < units; j++) weights[start + j] -= xi * dy[j];
  }
  if (bias) for (let j = 0; j < units; j++) bias[j] -= rate * dy[j];
}
