"use strict";
// Sliders under a finger: only a move to the side drags them; a swipe up or down scrolls the page, as elsewhere.

const SIDEWAYS = 6; // pixels that a finger moves before it is known where to

let held = false; // whether a slider is, by a finger or the mouse: its scale, and the others', stay as they are

for (const kind of ["pointerup", "pointercancel"]) {
  document.addEventListener(kind, () => {
    if (held) setTimeout(show);
    held = false;
  });
}

/** Let a slider be dragged from where it is; `told` gets the value. What the browser itself makes of the touch is undone. */
function slideByFinger(input, told) {
  let touch = null;
  input.addEventListener("pointerdown", event => {
    held = true;
    if (event.pointerType === "touch") touch = { x: event.clientX, y: event.clientY, value: Number(input.value), sideways: false };
  });
  input.addEventListener("pointermove", event => {
    if (touch === null || event.pointerType !== "touch") return;
    const dx = event.clientX - touch.x, dy = event.clientY - touch.y;
    touch.sideways ||= Math.abs(dx) > SIDEWAYS && Math.abs(dx) > Math.abs(dy);
    if (!touch.sideways) return;
    const least = Number(input.min), most = Number(input.max);
    told(clamp(touch.value + (dx / input.clientWidth) * (most - least), least, most));
  });
  const end = () => setTimeout(() => { touch = null; }); // after the browser's own last word
  for (const kind of ["pointerup", "pointercancel"]) input.addEventListener(kind, end);
  const own = event => {
    if (touch === null) return told(Number(input.value));
    event.preventDefault();
    return show(); // the slider back to where the state has it
  };
  for (const kind of ["input", "change"]) input.addEventListener(kind, own);
}
