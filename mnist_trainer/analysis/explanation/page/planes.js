"use strict";
// Grey planes, { height, width, values }, and what NumPy does with them: quantiles, histograms, resizing.

const plane = (height, width, values = new Float64Array(height * width)) => ({ height, width, values });
const mapped = (p, change) => plane(p.height, p.width, p.values.map(change));
const longer = p => Math.max(p.height, p.width);

function cropped(p, top, bottom, left, right) {
  const part = plane(Math.min(bottom, p.height) - top, Math.min(right, p.width) - left);
  for (let y = 0; y < part.height; y++) {
    part.values.set(p.values.subarray((top + y) * p.width + left, (top + y) * p.width + left + part.width), y * part.width);
  }
  return part;
}

/** Put a plane into one of zeros. */
function placed(p, height, width, top, left) {
  const whole = plane(height, width);
  for (let y = 0; y < p.height; y++) {
    whole.values.set(p.values.subarray(y * p.width, (y + 1) * p.width), (top + y) * width + left);
  }
  return whole;
}

/** np.quantile: linear between the values in order. */
function quantile(values, q) {
  const sorted = Float64Array.from(values).sort(), place = q * (sorted.length - 1), low = Math.floor(place);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (place - low) * (sorted[high] - sorted[low]);
}

/** np.rint: halves to the even neighbour. */
function rint(x) {
  const low = Math.floor(x);
  return x - low === 0.5 ? low + (low % 2 === 0 ? 0 : 1) : Math.round(x);
}

const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

/** The least (or most) within a square window around each pixel; outside there is nothing. */
function slidingExtreme(p, window, extreme) {
  const reach = Math.floor(window / 2), { height, width } = p;
  const along = (source, count, stride, lines, lineStride) => {
    const found = source.slice();
    for (let line = 0; line < lines; line++) {
      for (let i = 0; i < count; i++) {
        let best = source[line * lineStride + i * stride];
        for (let k = Math.max(0, i - reach); k <= Math.min(count - 1, i + reach); k++) {
          best = extreme(best, source[line * lineStride + k * stride]);
        }
        found[line * lineStride + i * stride] = best;
      }
    }
    return found;
  };
  return plane(height, width, along(along(p.values, height, width, width, 1), width, 1, height, width));
}

/** Weights (new × old) of old pixels in new ones: a triangle, which widens where pixels are lost. */
function triangleWeights(old, size) {
  const ratio = old / size;
  return Array.from({ length: size }, (_, i) => {
    const middle = (i + 0.5) * ratio - 0.5;
    const row = Array.from({ length: old }, (_, j) => Math.max(0, 1 - Math.abs(j - middle) / Math.max(ratio, 1)));
    const sum = row.reduce((a, b) => a + b, 0);
    return row.map(x => x / sum);
  });
}

/** Scale to a height and a width; each new pixel is a weighted mean of old ones. */
function resized(p, height, width) {
  if (height === p.height && width === p.width) return p;
  const rows = triangleWeights(p.height, height), columns = triangleWeights(p.width, width);
  const half = plane(height, p.width), whole = plane(height, width);
  rows.forEach((weights, y) => weights.forEach((w, k) => {
    if (w) for (let x = 0; x < p.width; x++) half.values[y * p.width + x] += w * p.values[k * p.width + x];
  }));
  columns.forEach((weights, x) => weights.forEach((w, k) => {
    if (w) for (let y = 0; y < height; y++) whole.values[y * width + x] += w * half.values[y * p.width + k];
  }));
  return whole;
}

/** Scale down, if need be, so that no side is longer. */
function reduced(p, most) {
  const scale = Math.min(1, most / longer(p));
  return resized(p, Math.max(1, rint(scale * p.height)), Math.max(1, rint(scale * p.width)));
}

/** The columns and rows that have anything above a level, as { top, bottom, left, right }, ends exclusive. */
function boxOf(p, level) {
  const box = { top: p.height, bottom: 0, left: p.width, right: 0 };
  p.values.forEach((value, index) => {
    if (!(value > level)) return;
    const y = Math.floor(index / p.width), x = index % p.width;
    box.top = Math.min(box.top, y);
    box.bottom = Math.max(box.bottom, y + 1);
    box.left = Math.min(box.left, x);
    box.right = Math.max(box.right, x + 1);
  });
  return box;
}
