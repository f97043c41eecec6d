"use strict";
// The pad to draw on: strokes are lists of points [x, y, x, y, ...] on 160 × 160, in whole numbers.

const PAD = 160, RADIUS = 6, NEAR = 3, PEN = 5;

/** What the strokes look like: a light sheet, dark ink, as bytes would have it; a plane, 0 black to 1 white. */
function drawnPicture(strokes) {
  const ink = new Float64Array(PAD * PAD);
  for (const stroke of strokes) {
    for (let k = 0; k < stroke.length; k += 2) {
      const from = Math.max(0, k - 2);
      inkSegment(ink, stroke[from], stroke[from + 1], stroke[k], stroke[k + 1]);
    }
  }
  return plane(PAD, PAD, ink.map(x => 1 - Math.round(255 * x) / 255));
}

/** Lay a line of ink with round ends; its edge is as soft as a pixel. */
function inkSegment(ink, x0, y0, x1, y1) {
  const reach = RADIUS + 1, dx = x1 - x0, dy = y1 - y0, length = dx * dx + dy * dy;
  for (let y = Math.max(0, Math.min(y0, y1) - reach); y <= Math.min(PAD - 1, Math.max(y0, y1) + reach); y++) {
    for (let x = Math.max(0, Math.min(x0, x1) - reach); x <= Math.min(PAD - 1, Math.max(x0, x1) + reach); x++) {
      const along = length ? clamp(((x - x0) * dx + (y - y0) * dy) / length, 0, 1) : 0;
      const distance = Math.hypot(x - x0 - along * dx, y - y0 - along * dy);
      ink[y * PAD + x] = Math.max(ink[y * PAD + x], clamp(RADIUS + 0.5 - distance, 0, 1));
    }
  }
}

/** Two signs of base 36 a number, strokes parted by dots. */
const strokesAsText = strokes => strokes.map(s => s.map(v => v.toString(36).padStart(2, "0")).join("")).join(".");
function strokesFromText(text) {
  if (!/^([0-9a-z]{4})+(\.([0-9a-z]{4})+)*$/.test(text)) return undefined;
  const strokes = text.split(".").map(stroke => stroke.match(/../g).map(pair => parseInt(pair, 36)));
  return strokes.flat().every(value => value < PAD) ? strokes : undefined;
}

/** Let a canvas be drawn on with a pointer, or with the keyboard; `told` gets the strokes, and whether one goes on. */
class Pad {
  constructor(canvas, told) {
    this.canvas = canvas;
    this.told = told;
    this.strokes = [];
    this.stroke = null;
    this.pen = { x: PAD / 2, y: PAD / 4, down: false };
    canvas.width = canvas.height = PAD;
    canvas.addEventListener("pointerdown", event => this.start(event));
    canvas.addEventListener("pointermove", event => this.stroke && this.extend(this.place(event)));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => this.end());
    canvas.addEventListener("keydown", event => this.key(event));
    for (const turn of ["focus", "blur"]) canvas.addEventListener(turn, () => this.show());
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const scaled = (value, start, size) => clamp(Math.round(((value - start) / size) * PAD), 0, PAD - 1);
    return [scaled(event.clientX, box.left, box.width), scaled(event.clientY, box.top, box.height)];
  }

  start(event) {
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    this.begin(this.place(event));
  }

  begin(point) {
    this.stroke = [...point];
    this.strokes = [...this.strokes, this.stroke];
    this.show();
    this.told(this.strokes, true);
  }

  extend([x, y]) {
    const [lastX, lastY] = this.stroke.slice(-2);
    if (Math.hypot(x - lastX, y - lastY) < NEAR) return;
    this.stroke.push(x, y);
    this.show();
    this.told(this.strokes, true);
  }

  end() {
    if (!this.stroke) return;
    this.stroke = null;
    this.told(this.strokes, false);
  }

  /** Arrows move the pen, Space lowers and lifts it, Escape or Delete wipes the pad. */
  key(event) {
    const moves = { ArrowLeft: [-PEN, 0], ArrowRight: [PEN, 0], ArrowUp: [0, -PEN], ArrowDown: [0, PEN] };
    if (moves[event.key]) {
      this.pen.x = clamp(this.pen.x + moves[event.key][0], 0, PAD - 1);
      this.pen.y = clamp(this.pen.y + moves[event.key][1], 0, PAD - 1);
      if (this.pen.down && this.stroke) this.extend([this.pen.x, this.pen.y]);
    } else if (event.key === " ") {
      this.pen.down = !this.pen.down;
      if (this.pen.down) this.begin([this.pen.x, this.pen.y]);
      else this.end();
    } else if (["Escape", "Delete", "Backspace"].includes(event.key)) {
      this.told([], false);
    } else return;
    event.preventDefault();
    this.show();
  }

  set(strokes) {
    if (this.stroke) return;
    this.strokes = strokes;
    this.pen.down &&= strokes.length > 0;
    this.show();
  }

  show() {
    const context = this.canvas.getContext("2d");
    drawPlane(this.canvas, drawnPicture(this.strokes));
    if (document.activeElement !== this.canvas) return;
    context.strokeStyle = "#0072B2";
    context.lineWidth = this.pen.down ? 4 : 1.5;
    context.strokeRect(this.pen.x - 5, this.pen.y - 5, 10, 10);
  }
}

/** Draw a plane pixel by pixel. */
function drawPlane(canvas, { height, width, values }) {
  const context = canvas.getContext("2d"), image = new ImageData(width, height);
  values.forEach((value, i) => image.data.set([255 * value, 255 * value, 255 * value, 255], 4 * i));
  context.putImageData(image, 0, 0);
}
