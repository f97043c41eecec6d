"use strict";
// The parts of the page: found, made, and given words and marks.

const $ = id => document.getElementById(id);

function element(kind, attributes = {}, html = "") {
  const made = document.createElement(kind);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== null) made.setAttribute(name, value === true ? "" : value);
  }
  made.innerHTML = html;
  return made;
}

/** Say something only where it is another than before: what a reader selects, or has the focus on, stays. */
function say(place, html) {
  if (place.dataset.said === html) return;
  place.dataset.said = html;
  place.innerHTML = html;
  if (place.classList.contains("note")) place.hidden = html === "";
}

/** Write the two lines under a block. */
function setFeet(id, first, second = "") {
  const feet = document.querySelectorAll(`#${id} .foot`);
  feet[0].innerHTML = `<span>${first}</span>`;
  feet[1].innerHTML = `<span>${second}</span>`;
}

/** Put a tick or a cross on a block's heading, or neither. */
function setMark(id, good) {
  const mark = document.querySelector(`#${id} .mark`);
  mark.textContent = good === null || good === undefined ? "" : good ? "✓" : "✗";
  mark.className = `mark ${good ? "good" : "bad"}`;
  mark.title = good === null || good === undefined ? "" : good ? "as it should be, to the digits shown" : "not what it should be";
}
