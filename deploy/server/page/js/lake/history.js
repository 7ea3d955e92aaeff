/** How many keyframes the lake holds over time, and how fast it grows. */

import { ApiError, activity } from "../core/api.js";
import { fill, h, say, set, show } from "../core/dom.js";
import { bound, bytes } from "../core/format.js";
import { words } from "../words.js";
import { TimeAxis } from "../search/time_axis.js";

const DAY_S = 86_400;

/** @param {{lake: any}} given */
export function makeHistory({ lake }) {
  const axis = new TimeAxis(lake, () => draw(held));
  const bars = h("svg:svg", { class: "bars", preserveAspectRatio: "none", "aria-hidden": "true" }), first = h("span", {}), last = h("span", {});
  const grows = h("p", { class: "muted" });
  const element = h("section", { class: "history", "aria-label": words.history, hidden: true }, h("h3", {}, words.history), h("div", { class: "history-bars" }, bars), h("div", { class: "ends" }, first, last), grows);
  let held = /** @type {any} */ (null), drawn = "", counted = "", day = /** @type {number|null} */ (null);

  /** The keyframes of the last day, of a lake whose sources have times. */
  async function count() {
    if (counted === String(lake.generation) || axis.counts.clock !== "utc") return;
    counted = String(lake.generation);
    try {
      const now = Date.now();
      const { keyframes } = await activity({ bins: 1, clock: "utc", since: new Date(now - DAY_S * 1000).toISOString(), until: new Date(now).toISOString() });
      day = keyframes[0];
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      counted = ""; // asked again at the next change
      return;
    }
    draw(held);
  }

  /** @param {any} next the answer of `/api/lake`, once there is one */
  function draw(next) {
    held = next;
    axis.update();
    show(element, axis.known && axis.counts.keyframes.some((each) => each > 0));
    if (!axis.known) return;
    count();
    const { keyframes } = axis.counts, key = `${axis.counts.since} ${keyframes.join()}`;
    if (drawn !== key) {
      drawn = key;
      const most = Math.max(1, ...keyframes);
      set(bars, "viewBox", `0 0 ${keyframes.length} 1`);
      fill(bars, ...keyframes.map((each, at) => h("svg:rect", { class: each ? "in" : null, x: at + 0.1, width: 0.8, y: 1 - Math.max(each / most, 0.02), height: Math.max(each / most, 0.02) })));
      say(first, bound(axis.moment(0), axis.spanS));
      say(last, bound(axis.moment(1), axis.spanS));
    }
    const total = lake.status?.lake.keyframes ?? 0, tables = held?.tables.reduce((sum, each) => sum + each.bytes, 0) ?? 0;
    const each = total && tables ? tables / total : 0;
    say(grows, [each ? words.bytesEach(bytes(each)) : null, day ? words.growth(day, each ? bytes(day * each) : null) : null].filter(Boolean).join(" "));
  }

  return { element, draw };
}
