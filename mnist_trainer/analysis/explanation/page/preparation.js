"use strict";
// What makes of a drawing an image like those that the network has learned from: mnist_trainer/inference/preparation.py
// in JavaScript, function by function, where the reasons stand. A picture is a plane, 0 black to 1 white.

const SIDE = 28, BOX = 20, SCAN = 32, BLOCK = 4, FAINTEST = 0.1, LARGEST = 160, SHADOWS = 5, SPECK = 0.04, MARGIN = 0.3;
const STROKE = [1.6, 4.2];

/** Return { bytes (height × width × channels), isDigit } for a preparation: mnist, digits or scaled. */
function prepared(picture, preparation, [height, width, channels]) {
  if (preparation === "scaled") {
    const grey = bytesOf(resized(picture, height, width));
    return { bytes: Uint8Array.from({ length: grey.length * channels }, (_, i) => grey[Math.floor(i / channels)]), isDigit: true };
  }
  const ink = inkOf(picture);
  if (ink === null) return { bytes: new Uint8Array(SIDE * SIDE), isDigit: false };
  return { bytes: preparation === "mnist" ? asMnist(ink) : asScikitDigit(ink), isDigit: true };
}

const bytesOf = p => Uint8Array.from(p.values, x => rint(255 * clamp(x, 0, 1)));
const asMnist = ink => bytesOf(centred(stretched(fitted(ink, BOX)), SIDE));

/** A scan of 32 × 32, of which every 4 × 4 became a level from 0 to 16; then enlarged as data=digits does. */
function asScikitDigit(ink) {
  const digit = stretched(fitted(ink, SCAN)), side = SCAN / BLOCK;
  const canvas = placed(digit, SCAN, SCAN, Math.floor((SCAN - digit.height) / 2), Math.floor((SCAN - digit.width) / 2));
  const levels = plane(side, side);
  canvas.values.forEach((value, i) => {
    levels.values[Math.floor(i / SCAN / BLOCK) * side + Math.floor((i % SCAN) / BLOCK)] += value;
  });
  return enlarged(mapped(levels, sum => rint((sum / BLOCK ** 2) * 16)));
}

/** Bilinear, 3 times as large, in integers, with a margin of 2. */
function enlarged(scan) {
  const side = 3 * scan.height, thirds = k => [k - 1, k, k + 1].map(i => Math.floor(clamp(i, 0, side - 1) / 3));
  const large = plane(side, side);
  for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) {
    let ninths = 0;
    for (const i of thirds(y)) for (const j of thirds(x)) ninths += scan.values[i * scan.width + j];
    large.values[y * side + x] = Math.floor((ninths * 255 + 72) / 144);
  }
  return Uint8Array.from(placed(large, SIDE, SIDE, 2, 2).values);
}

/** How much ink there is, 0 to 1, cropped to the digit; null for none. */
function inkOf(picture) {
  const small = reduced(picture, LARGEST), ink = inkOnPaper(small);
  if (quantile(ink.values, 0.998) < FAINTEST) return null;
  const threshold = inkThreshold(ink), mask = plane(ink.height, ink.width);
  for (const piece of withoutDust(inkPieces(ink, threshold), ink)) for (const i of piece) mask.values[i] = 1;
  const box = boxOf(mask, 0.5), near = cutAround(box, picture, longer(small));
  if (longer(near) < longer(picture) / 1.5) return inkOf(near); // a small digit: once more, from nearer
  const low = threshold / 2, full = quantile(ink.values.filter((_, i) => mask.values[i]), 0.75);
  const grown = slidingExtreme(mask, 3, Math.max);
  const clean = plane(ink.height, ink.width, ink.values.map(
    (x, i) => clamp((x - low) / Math.max(full - low, 1e-6), 0, 1) * grown.values[i]));
  return cropped(clean, box.top, box.bottom, box.left, box.right);
}

function inkOnPaper(picture) {
  const minus = (one, other) => plane(one.height, one.width, one.values.map((x, i) => x - other.values[i]));
  if (!isLightBackground(picture)) return minus(picture, paperOf(picture));
  const dark = mapped(picture, x => 1 - x), paper = paperOf(dark), ink = minus(dark, paper);
  return plane(ink.height, ink.width, ink.values.map((x, i) => x / Math.max(1 - paper.values[i], FAINTEST)));
}

function isLightBackground(picture) {
  const darkest = quantile(picture.values, 0.005), lightest = quantile(picture.values, 0.995);
  const background = quantile(borderOf(picture), 0.5);
  return background - darkest > lightest - background;
}

function borderOf({ height, width, values }) {
  const column = x => Array.from({ length: height }, (_, y) => values[y * width + x]);
  return [...values.slice(0, width), ...values.slice((height - 1) * width), ...column(0), ...column(width - 1)];
}

function paperOf(picture) {
  const [darker, middle, lighter] = [0.1, 0.5, 0.9].map(q => quantile(borderOf(picture), q));
  if (lighter - darker < FAINTEST) return mapped(picture, () => middle);
  const window = Math.floor(longer(picture) / SHADOWS);
  return slidingExtreme(slidingExtreme(picture, window, Math.min), window, Math.max);
}

/** Otsu's: the variance between ink and paper is largest. */
function inkThreshold(ink) {
  let [low, high] = [Math.min(...ink.values), Math.max(...ink.values)];
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const edge = i => low + (i * (high - low)) / 128, counts = new Float64Array(128);
  for (const x of ink.values) {
    let bin = Math.min(127, Math.floor(((x - low) / (high - low)) * 128));
    if (x < edge(bin)) bin -= 1;
    else if (bin < 127 && x >= edge(bin + 1)) bin += 1;
    counts[bin] += 1;
  }
  const sums = counts.map((count, i) => (count * (edge(i) + edge(i + 1))) / 2);
  const [all, total] = [counts, sums].map(values => values.reduce((a, b) => a + b, 0));
  let below = 0, sum = 0, best = 0, most = -Infinity;
  counts.forEach((count, i) => {
    below += count;
    sum += sums[i];
    const spread = below * (all - below) * (sum / below - (total - sum) / (all - below)) ** 2;
    if (spread > most) [most, best] = [spread, i];
  });
  return edge(best + 1);
}

/** The pixels of each connected piece, corners counted. */
function inkPieces({ height, width, values }, threshold) {
  const seen = new Uint8Array(values.length), pieces = [];
  values.forEach((value, start) => {
    if (!(value > threshold) || seen[start]) return;
    const piece = [start];
    seen[start] = 1;
    for (const i of piece) { // it grows meanwhile
      const y = Math.floor(i / width), x = i % width;
      for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v++) {
        for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u++) {
          const k = v * width + u;
          if (values[k] > threshold && !seen[k]) {
            seen[k] = 1;
            piece.push(k);
          }
        }
      }
    }
    pieces.push(piece);
  });
  return pieces;
}

function withoutDust(pieces, { height, width }) {
  const onBorder = i => i < width || i >= (height - 1) * width || i % width === 0 || i % width === width - 1;
  const touching = new Set(pieces.filter(piece => piece.some(onBorder)));
  const largest = Math.max(...pieces.map(piece => piece.length));
  const most = Math.max(0, ...pieces.filter(piece => !touching.has(piece)).map(piece => piece.length));
  return pieces.filter(piece => piece.length >= SPECK * largest && !(touching.has(piece) && most >= piece.length));
}

function cutAround(box, picture, side) {
  const scale = longer(picture) / side, [top, bottom, left, right] = [box.top, box.bottom, box.left, box.right].map(e => scale * e);
  const margin = MARGIN * Math.max(bottom - top, right - left) + scale, start = x => Math.max(0, Math.trunc(x));
  return cropped(picture, start(top - margin), Math.trunc(bottom + margin) + 1, start(left - margin), Math.trunc(right + margin) + 1);
}

/** Scale a digit, its strokes first made of a usual width, so that its longer side is that of the box. */
function fitted(digit, box) {
  const [thin, thick] = STROKE.map(width => (width * longer(digit)) / BOX), found = strokeWidth(digit);
  let ink = digit;
  if (found < thin) {
    const reach = rint((thin - found) / 2);
    const wide = placed(ink, ink.height + 2 * reach, ink.width + 2 * reach, reach, reach);
    ink = slidingExtreme(wide, 2 * reach + 1, Math.max);
  } else if (found > thick) {
    const padded = placed(ink, ink.height + 2, ink.width + 2, 1, 1);
    const thinner = slidingExtreme(padded, 2 * rint((found - thick) / 2) + 1, Math.min);
    if (Math.max(...thinner.values) > 0.5) ink = thinner;
  }
  const { top, bottom, left, right } = boxOf(ink, 0.25);
  ink = cropped(ink, top, bottom, left, right);
  const scale = box / longer(ink);
  return resized(ink, Math.max(1, rint(scale * ink.height)), Math.max(1, rint(scale * ink.width)));
}

/** Twice the area over the length of the edge; an edge in steps is longer than a smooth one. */
function strokeWidth(ink) {
  const { height, width, values } = placed(ink, ink.height + 2, ink.width + 2, 1, 1);
  let area = 0, edge = 0;
  values.forEach((value, i) => {
    const inside = value > 0.5;
    area += inside;
    if (i + width < values.length) edge += inside !== values[i + width] > 0.5;
    if (i % width < width - 1) edge += inside !== values[i + 1] > 0.5;
  });
  return ((2 * area) / Math.max(edge, 1)) * (4 / Math.PI);
}

function stretched(digit) {
  const full = Math.max(quantile(digit.values, 0.98), 0.2);
  return mapped(digit, x => clamp(x / full, 0, 1));
}

/** Put a digit into a square so that its centre of mass is the square's, as far as it fits. */
function centred(digit, side) {
  let mass = 0, row = 0, column = 0;
  digit.values.forEach((value, i) => {
    mass += value;
    row += value * Math.floor(i / digit.width);
    column += value * (i % digit.width);
  });
  const middle = (side - 1) / 2;
  const top = clamp(rint(middle - row / mass), 0, side - digit.height);
  const left = clamp(rint(middle - column / mass), 0, side - digit.width);
  return placed(digit, side, side, top, left);
}
