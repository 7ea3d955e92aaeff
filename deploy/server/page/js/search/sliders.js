/** The two sliders: weight of meaning against place, and the least confidence. */

import { h, say } from "../core/dom.js";
import { byMeaning, placed } from "../core/question.js";
import { words } from "../words.js";

/**
 * @param {{name: string, low: string, high: string, min: number, max: number, step: number, changed: (value: number, how: any) => void}} given
 */
function slider({ name, low, high, min, max, step, changed }) {
  const value = h("output", {});
  const id = `slider-${name.replaceAll(" ", "-").toLowerCase()}`;
  const input = h("input", {
    type: "range", id, min, max, step,
    oninput: () => changed(Number(input.value), "drag"),
    onchange: () => changed(Number(input.value), "done"),
  });
  const element = h(
    "section",
    { class: "slider" },
    h("div", { class: "line" }, h("label", { for: id }, name), value),
    input,
    h("div", { class: "ends", "aria-hidden": "true" }, h("span", {}, low), h("span", {}, high)),
  );
  const draw = (at, text, able) => {
    if (document.activeElement !== input || Number(input.value) !== at) input.value = String(at);
    input.style.setProperty("--at", String((at - min) / (max - min)));
    input.disabled = !able;
    element.classList.toggle("unable", !able);
    say(value, text);
    input.setAttribute("aria-valuetext", text);
  };
  return { element, draw };
}

/** @param {import("../core/store.js").Store} store @param {import("../lake.js").Lake} lake */
export function makeSliders(store, lake) {
  // to the right is more place, so the slider has the share of place
  const weight = slider({
    name: words.weight, low: words.weightLow, high: words.weightHigh, min: 0, max: 100, step: 5,
    changed: (value, how) => store.change({ weight: (100 - value) / 100 }, how),
  });
  const sure = slider({
    name: words.sure, low: words.sureLow, high: words.sureHigh, min: 0, max: 99, step: 1,
    changed: (value, how) => store.change({ sure: value ? value / 100 : null }, how),
  });
  function draw() {
    const { question } = store;
    const both = byMeaning(question) && placed(question);
    weight.draw(100 - Math.round(question.weight * 100), both ? words.weightValue(question.weight) : words.weightNeedsBoth, both);
    const meaning = byMeaning(question);
    const text = lake.confidence === false ? words.sureUnknown : meaning ? words.sureValue(question.sure) : words.sureNeedsMeaning;
    sure.draw(Math.round((question.sure ?? 0) * 100), text, meaning && lake.confidence !== false);
  }
  return { weight: weight.element, sure: sure.element, draw };
}
