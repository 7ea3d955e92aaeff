/** All of time above the lanes, as bars; a brush on it chooses the part that the lanes show. */

import { makeBars } from "../core/bars.js";
import { h } from "../core/dom.js";
import { makeBrush } from "../search/brush.js";
import { words } from "../words.js";

/**
 * @param {import("../search/time_axis.js").TimeAxis} axis
 * @param {(span: import("./view.js").Span|null) => void} choose null: all
 */
export function makeOverview(axis, choose) {
  const bars = makeBars();
  const element = h("div", { class: "overview" }, bars.element);
  const brush = makeBrush(element, {
    labels: [words.viewFrom, words.viewUntil],
    changed: (range) => choose(range && [axis.first + range[0] * axis.spanS, axis.first + range[1] * axis.spanS]),
  });

  return {
    element,
    /** @param {import("./view.js").Span|null} shown null: all */
    draw(shown) {
      bars.draw(axis.counts.keyframes);
      brush.draw(shown && [(shown[0] - axis.first) / axis.spanS, (shown[1] - axis.first) / axis.spanS]);
    },
  };
}
