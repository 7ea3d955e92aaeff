/** How many keyframes the lake holds over time, and how fast it grows. */

import { ApiError, activity } from "../core/api.js";
import { makeBars } from "../core/bars.js";
import { h, say, show } from "../core/dom.js";
import { bound, bytes } from "../core/format.js";
import { words } from "../words.js";
import { TimeAxis } from "../search/time_axis.js";

const DAY_S = 86_400;

/** @param {{lake: import("../lake.js").Lake}} given */
export function makeHistory({ lake }) {
  const axis = new TimeAxis(lake, () => draw(held));
  const bars = makeBars({ least: 0.02 }), first = h("span", {}), last = h("span", {});
  const grows = h("p", { class: "muted" });
  const element = h("section", { class: "history", "aria-label": words.history, hidden: true }, h("h3", {}, words.history), h("div", { class: "history-bars" }, bars.element), h("div", { class: "ends" }, first, last), grows);
  let held = /** @type {Api.LakeStorageAnswer|null} */ (null), counted = "", day = /** @type {number|null} */ (null);

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

  /** @param {Api.LakeStorageAnswer|null} next once there is one */
  function draw(next) {
    held = next;
    axis.update();
    show(element, axis.known && axis.counts.keyframes.some((each) => each > 0));
    if (!axis.known) return;
    count();
    if (bars.draw(axis.counts.keyframes)) {
      say(first, bound(axis.moment(0), axis.spanS));
      say(last, bound(axis.moment(1), axis.spanS));
    }
    const total = lake.status?.lake.keyframes ?? 0, tables = held?.tables.reduce((sum, each) => sum + each.bytes, 0) ?? 0;
    const each = total && tables ? tables / total : 0;
    say(grows, [each ? words.bytesEach(bytes(each)) : null, day ? words.growth(day, each ? bytes(day * each) : null) : null].filter(Boolean).join(" "));
  }

  return { element, draw };
}
