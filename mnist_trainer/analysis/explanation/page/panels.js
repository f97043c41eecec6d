"use strict";
// What stands around the flow: the image, the switches, the words, the points, and the steps of learning.

function showSwitches() {
  for (const input of document.querySelectorAll("#ways input")) input.checked = input.value === state.way;
  const set = (id, value) => { if (document.activeElement !== $(id)) $(id).value = value; };
  set("batch", state.batch);
  set("row", state.row);
  $("row").max = state.batch - 1;
  $("row-label").hidden = state.way !== "posted_question" || state.batch !== situation.classes || state.batch === 1;
  for (const button of document.querySelectorAll("#gaps [data-gap]")) {
    button.setAttribute("aria-pressed", Math.abs(situation.gap - Number(button.dataset.gap)) < 0.0005);
  }
  const link = stateAsText(state, page);
  say($("on-paper"), `N = ${state.batch}, float${state.bits}, gap ${number(situation.gap, 1)}${
    link && link.length <= 240 ? `; behind the page’s address: #${escaped(link)}` : ""}`);
  $("bits").checked = state.bits === 32;
  $("shifted").checked = !state.unshifted;
  $("image").value = state.strokes.length ? "" : state.image;
  $("label").value = situation.label;
}

function showImage(s) {
  pad.set(state.strokes);
  $("pad-hint").hidden = state.strokes.length > 0 || page.network === null;
  $("wipe").hidden = state.strokes.length === 0;
  const [height, width, channels] = page.shape, canvas = $("seen");
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const picture = new ImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    const at = k => s.bytes[i * channels + (channels === 3 ? k : 0)];
    picture.data.set(channels === 3 ? [at(0), at(1), at(2), 255] : [255 - at(0), 255 - at(0), 255 - at(0), 255], 4 * i);
  }
  canvas.getContext("2d").putImageData(picture, 0, 0);
  const p = truth(s.own, s.label).p[s.predicted];
  const what = s.drawn ? "your drawing" : `${escaped(page.name)}, test image ${page.images[state.image].index}`;
  const trained = state.learned.length ? ", the weights moved" : "", taken = state.z ? "was taken" : trained ? "now taken" : "taken";
  const answer = s.isDigit ? `${taken} for <b>${s.fullName(s.predicted)}</b> (p ${number(p, 2)})` : "no digit in it: nothing stands out";
  const moved = state.z ? "; then z was moved" : "";
  const asked = s.drawn && s.isDigit && state.label === null ? ", so for now the true class:" : "";
  const choices = s.drawn && s.classes <= 10 && page.classes.every(name => name.length === 1);
  $("digits").hidden = !choices;
  $("images").hidden = choices;
  say($("digits"), choices ? page.classes.map((name, k) =>
    `<button data-label="${k}" aria-pressed="${k === s.label}" title="it is a ${escaped(name)}">${escaped(name)}</button>`).join("") : "");
  say($("told"), `${what}: ${answer}${trained}${moved}${asked || "."}`);
  const least = Number($("gap").min), most = Number($("gap").max);
  $("gap").value = clamp(s.gap, least, most);
  $("gap-said").textContent = gapSaid(s);
  $("reset").disabled = state.z === null && state.learned.length === 0;
  const left = s.classes - s.shown.length;
  say($("shown-note"), left ? `Of ${s.classes} classes the true one and the ${s.shown.length - 1} likeliest others have a row; every number, and every sum, is of all.` : "");
}

function showWords(s) {
  const point = state.point ? page.points[state.point - 1] : null;
  $("answer").hidden = point === null;
  $("about").hidden = point !== null;
  say($("answer"), point ? `<p><b>${state.point} ${point.sign}</b> <span class="quote">${point.quote}</span></p><p>${ANSWERS[state.point - 1](s)}</p>` : "");
  const where = `in float${state.bits}${state.unshifted ? ", max z not subtracted" : ""}${
    state.batch > 1 ? ", this image’s alone" : ""}`;
  say($("loss"), `L = <b>${number(s.found.loss)}</b> <small>${where}</small> ${lossSaid(s)}`);
  const good = marksOf(s).dz;
  $("bar-way").value = state.way;
  say($("bar-said"), `L = ${number(s.found.loss)} <span class="${good ? "good" : "bad"}">${
    good === null ? "✗ can’t run" : good ? "✓ ∂L/∂z = (p − t)/N" : "✗ ∂L/∂z ≠ (p − t)/N"}</span>`);
  say($("about"), `<b>${s.way.title}:</b> ${escaped(s.way.about)}`);
  say($("verdict"), verdictOf(s).map(line => `<li>${line}</li>`).join(""));
  say($("gallery"), galleryOf(s));
}

/** What each way gives for ∂L/∂z, beside the truth. */
function galleryOf(s) {
  const row = (title, values, sign) => `<tr><th>${title}</th>${s.shown.map(k =>
    `<td class="${k === s.label ? "true" : ""}">${values ? number(values[k]) : "–"}</td>`).join("")}<td>${sign}</td></tr>`;
  const head = `<tr><th></th>${s.shown.map(k => `<th class="${k === s.label ? "true" : ""}">${s.name(k)}</th>`).join("")}<th></th></tr>`;
  return head + row("(p − t)/N", s.truth.dz, "") + WAYS.map(way => {
    const found = attempt(way, s.z, s.label, s.settings), good = marksOf({ ...s, way, found }).dz;
    return row(escaped(way.title), found.dz, good === null ? "can’t run" : good ? "✓" : "✗");
  }).join("");
}

function showPoints(s) {
  for (const button of document.querySelectorAll("#jumps button")) {
    button.setAttribute("aria-pressed", Number(button.textContent) === state.point);
  }
  [...$("point-list").children].forEach((item, k) => {
    item.classList.toggle("now", state.point === k + 1);
    say(item.querySelector(".answer"), ANSWERS[k](s));
  });
}

function showLearning(s) {
  for (const input of document.querySelectorAll('input[name="on"]')) {
    input.checked = input.value === state.on;
    input.disabled = input.value === "weights" && page.network === null;
  }
  $("rate").value = Math.log10(state.rate);
  $("rate-said").textContent = significant(state.rate);
  const gradient = s.found.dz?.every(Number.isFinite) ?? false;
  for (const id of ["step", "steps"]) $(id).disabled = !gradient;
  $("back").disabled = state.z === null && state.learned.length === 0;
  const said = gradient || last ? last : "no finite gradient to apply";
  const dropping = state.z && page.network ? `<span class="live">${said && "; "}“all weights” would drop the moved z</span>` : "";
  say($("taken"), said + dropping);
  showAhead(s);
}

/** What steps did to the loss; `why` there were no more of them, if they were less than asked for. */
function stepsSaid({ from, to, title, taken, why }) {
  const digits = digitsToTellApart(from, [to]), [before, after] = [from, to].map(loss => significant(loss, Math.max(5, digits)));
  const went = before === after ? "stays, as far as shown" : to < from ? "falls" : "rises";
  const said = `${escaped(title)}, ${counted(taken, "step")}: ${before} → ${after}, the loss ${went}`;
  return [taken ? said : "not a step", why].filter(Boolean).join("; ");
}

/** Look ahead: what the next steps come to, each way, from where we are. On weights that takes a while: in pieces. */
async function showAhead(s) {
  const turn = ++lookAhead;
  const onWeights = state.on === "weights";
  const start = {
    z: onWeights ? s.own : s.z, label: s.label, settings: s.settings, rate: state.rate,
    network: onWeights ? s.network : null, input: s.input,
  };
  const courses = new Map();
  for (const way of WAYS) {
    if (onWeights) await new Promise(resolve => setTimeout(resolve));
    if (turn !== lookAhead) return; // the state is another already
    courses.set(way.name, lossesAhead(start, way));
  }
  $("chart").innerHTML = courseChart(courses, state.way);
  const from = truth(start.z, s.label).loss, ends = [...courses.values()].filter(({ ended }) => !ended).map(({ losses }) => losses.at(-1));
  const digits = digitsToTellApart(from, ends);
  say($("ahead"), `True loss, ${significant(from, digits)} now, after ${AHEAD} steps on ${onWeights ? "all weights" : "z"}${
    state.batch > 1 ? ", 1/N as long" : onWeights ? ", for this image" : ""}:`);
  const line = way => {
    const { said, sign } = courseSaid(courses.get(way.name), digits), [color, dash] = LINES[way.name];
    const key = `<svg viewBox="0 0 26 8"><line x1="0" x2="26" y1="4" y2="4" stroke="${color}" stroke-width="3" stroke-dasharray="${dash}"/></svg>`;
    return `<tr class="${way.name === state.way ? "chosen" : ""}"><td>${key}</td><td>${escaped(way.title)}</td><td>${said}</td><td>${sign}</td></tr>`;
  };
  $("courses").innerHTML = WAYS.map(line).join("");
  document.documentElement.dataset.ahead = stateAsText(state, page) || "start";
}
