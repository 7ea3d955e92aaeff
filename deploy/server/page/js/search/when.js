/** When: a histogram of activity with a brush. */

import { fill, h, say, set, show } from "../core/dom.js";
import { bound } from "../core/format.js";
import { words } from "../words.js";
import { makeBrush } from "./brush.js";

const BARS = 28;

/** @param {import("../core/store.js").Store} store @param {import("./time_axis.js").TimeAxis} axis */
export function makeWhen(store, axis) {
  const value = h("output", {});
  const drop = h("button", { type: "button", class: "cross", "aria-label": words.whenClear, title: words.whenClear, onclick: () => store.change({ since: null, until: null }) }, "×");
  const bars = h("svg:svg", { class: "bars", viewBox: `0 0 ${BARS} 1`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const chart = h("div", { class: "histogram" }, bars);
  const first = h("span", {}), last = h("span", {});
  const element = h(
    "section",
    { class: "when", "aria-label": words.when },
    h("div", { class: "line" }, h("h2", {}, words.when), h("span", { class: "value" }, value, drop)),
    chart,
    h("div", { class: "ends" }, first, last),
  );
  const brush = makeBrush(chart, {
    labels: [words.whenFrom, words.whenUntil],
    changed: (range, how) => store.change(axis.bounds(range), how),
  });
  const rects = Array.from({ length: BARS }, (_, at) => h("svg:rect", { x: at + 0.1, width: 0.8 }));
  fill(bars, ...rects);

  function draw() {
    show(element, axis.known);
    if (!axis.known) return;
    const { question } = store;
    const fine = axis.keyframes(question.sources), each = fine.length / BARS;
    const counts = rects.map((_, at) => fine.slice(at * each, (at + 1) * each).reduce((sum, count) => sum + count, 0));
    const most = Math.max(1, ...counts), range = axis.range(question);
    rects.forEach((rect, at) => {
      const height = Math.max(counts[at] / most, 0.04), middle = (at + 0.5) / BARS;
      set(rect, "y", (1 - height).toFixed(3));
      set(rect, "height", height.toFixed(3));
      set(rect, "class", range && middle >= range[0] && middle <= range[1] ? "in" : null);
    });
    brush.draw(range);
    say(first, bound(axis.moment(0), axis.spanS));
    say(last, bound(axis.moment(1), axis.spanS));
    say(value, range ? axis.said(question) : words.whenAll);
    show(drop, range !== null);
  }
  return { element, draw };
}
