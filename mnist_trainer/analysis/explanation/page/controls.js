"use strict";
// What a reader can do: each control changes the state.

function setUp() {
  setUpSwitches();
  setUpImage();
  setUpLearning();
  setUpPoints();
  setUpTheme();
  $("restart").addEventListener("click", () => change(initialState(page.first)));
  $("print").addEventListener("click", () => print());
  $("copy").addEventListener("click", copyLink);
  addEventListener("hashchange", () => openAddress());
  $("lecture").open = false;
  $("page").hidden = false;
}

/** Take a whole number as it is typed, once it is one that fits; at the end take the nearest that does, and say so. */
function onWhole(id, name, most, told) {
  const least = Number($(id).min), fits = text => text !== "" && Number.isInteger(Number(text)) && Number(text) >= least && Number(text) <= most();
  $(id).addEventListener("input", () => {
    if (fits($(id).value)) told(Number($(id).value));
  });
  $(id).addEventListener("change", () => {
    const typed = $(id).value;
    if (!fits(typed)) {
      told(clamp(Math.round(Number(typed)), least, most()));
      notice(`<span class="bad">✗</span> ${name} is a whole number, ${least} … ${most().toLocaleString("en")}: ${
        escaped(typed.slice(0, 24)) || "none"} became ${state[id]}.`);
    }
    $(id).value = state[id];
  });
}

function setUpSwitches() {
  let group = "";
  for (const way of WAYS) {
    if (way.group !== group) $("ways").append(element("span", { class: "group", title: GROUPS[way.group] }, way.group));
    group = way.group;
    const made = element("label", { class: `way ${way.group.replace(" ", "-")}`, title: way.about },
      `<input type="radio" name="way" value="${way.name}"><span>${escaped(way.title)}</span>`);
    made.querySelector("input").addEventListener("change", () => change({ way: way.name, point: 0 }));
    $("ways").append(made);
  }
  $("bar-way").replaceChildren(...WAYS.map(({ name, title }) => element("option", { value: name }, escaped(title))));
  $("bar-way").addEventListener("change", () => change({ way: $("bar-way").value, point: 0 }));
  onWhole("batch", "N", () => MOST_IMAGES, batch => change({ batch }));
  document.addEventListener("click", event => {
    const asked = event.target.closest("[data-batch]");
    if (asked) change({ batch: Number(asked.dataset.batch) });
    const broken = event.target.closest("[data-way]");
    if (broken) change({ way: broken.dataset.way, bits: 32, point: 0 });
    const digit = event.target.closest("[data-label]");
    if (digit) change({ label: Number(digit.dataset.label) });
  });
  onWhole("row", "The image’s place in the batch", () => state.batch - 1, row => change({ row }));
  $("bits").addEventListener("change", () => change({ bits: $("bits").checked ? 32 : 64 }));
  $("shifted").addEventListener("change", () => change({ unshifted: !$("shifted").checked }));
  $("by-p").addEventListener("click", () => change({ targets: false }));
  $("by-t").addEventListener("click", () => change({ targets: true }));
}

function setUpImage() {
  const names = page.classes.map(escaped);
  $("image").replaceChildren(element("option", { value: "", disabled: true, hidden: true }, "drawn"),
    ...page.images.map(({ index, label, predicted }, place) => element("option", { value: place },
      `${index}: ${names[label]}${predicted === label ? "" : `, taken for ${names[predicted]}`}`)));
  $("image").addEventListener("change", () => goTo(Number($("image").value)));
  $("before").addEventListener("click", () => goTo(state.image - 1));
  $("after").addEventListener("click", () => goTo(state.image + 1));
  $("mistaken").addEventListener("click", nextMistake);
  $("mistaken").disabled = page.images.every(({ label, predicted }) => label === predicted);
  $("wipe").addEventListener("click", () => goTo(state.image));
  $("label").replaceChildren(...names.map((name, k) => element("option", { value: k }, name)));
  $("label").addEventListener("change", () => change({ label: Number($("label").value) }));
  slideByFinger($("gap"), setGap);
  for (const gap of [0, 20, 88, 91, 104]) {
    const button = element("button", { title: `let the true class lie ${gap} under the largest other logit`, "data-gap": gap }, String(gap));
    button.addEventListener("click", () => setGap(gap));
    $("gaps").append(button);
  }
  $("reset").addEventListener("click", () => change({ z: null, learned: [] }));
  if (page.network === null) {
    $("pad").parentElement.hidden = true;
    say($("pad-note"), escaped(page.why_not));
  }
}

function setUpLearning() {
  for (const input of document.querySelectorAll('input[name="on"]')) {
    const weights = input.value === "weights"; // whose inputs are many: a step must be smaller
    input.addEventListener("change", () => change({ on: input.value, rate: weights ? 0.01 : 1, ...(weights ? { z: null } : {}) },
      weights ? `rate 0.01, as a weight’s step moves much${state.z ? "; dropped: the moved z" : ""}` : "rate 1, for z"));
  }
  slideByFinger($("rate"), power => change({ rate: Number((10 ** power).toPrecision(2)) }));
  $("step").addEventListener("click", () => learn(1));
  $("steps").addEventListener("click", () => learn(10));
  $("back").addEventListener("click", () => change({ z: null, learned: [] }));
}

function setUpPoints() {
  page.points.forEach(({ sign, quote }, k) => {
    const button = element("button", { title: `${sign} ${quote.replace(/<[^>]*>/g, "")}`, "aria-pressed": false }, String(k + 1));
    button.addEventListener("click", () => goToPoint(k + 1));
    $("jumps").append(button);
    const item = element("li", {}, `<b>${sign}</b> <span class="quote">${quote}</span> <a href="#">show it ▴</a><br><span class="answer"></span>`);
    item.querySelector("a").addEventListener("click", event => {
      event.preventDefault();
      if (state.point !== k + 1) goToPoint(k + 1);
      scrollTo({ top: 0 });
      lookAtAnswer();
      $("answer").focus({ preventScroll: true });
    });
    $("point-list").append(item);
  });
  const count = page.points.length;
  $("bar-before").addEventListener("click", () => goToPoint(((state.point || count + 1) + count - 2) % count + 1));
  $("bar-after").addEventListener("click", () => goToPoint(state.point % count + 1));
  $("to-lecture").addEventListener("click", event => {
    event.preventDefault();
    $("lecture").open = true;
    $("lecture").scrollIntoView();
  });
  $("to-points").addEventListener("click", event => {
    event.preventDefault(); // the address is the state's
    $("points").scrollIntoView();
  });
}

/** Dark or light, as the system is, until somebody chooses. */
function setUpTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)"), root = document.documentElement;
  const follow = () => { root.dataset.theme = dark.matches ? "dark" : "light"; };
  follow();
  dark.addEventListener("change", follow);
  $("theme").addEventListener("click", () => { root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark"; });
}
