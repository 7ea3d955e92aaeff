/** How sure, or how near, hits must be: a histogram of the frames of the past with a slider below it. */

import { fill, h, say, set } from "../core/dom.js";
import { clamp } from "../core/geometry.js";
import { words } from "../words.js";

const STEPS = 100;

/** @param {(limit: number) => void} change */
export function makeLimit(change) {
  let draft = /** @type {any} */ (null), range = [0, 1];
  const title = h("label", { for: "watch-limit" }), value = h("output", { for: "watch-limit" });
  const bars = h("svg:svg", { class: "bars", preserveAspectRatio: "none", "aria-hidden": "true" });
  const input = h("input", { type: "range", id: "watch-limit", min: 0, max: STEPS, step: 1, oninput: () => change(limitAt(Number(input.value) / STEPS)) });
  const marks = h("div", { class: "ends", "aria-hidden": "true" });
  const element = h("section", { class: "limit slider", "aria-label": words.limit }, h("div", { class: "line" }, title, value), h("div", { class: "limit-bars" }, bars), input, marks);

  // to the right is stricter: more confidence, or less distance
  const nearer = () => draft.by === "distance";
  /** @param {number} limit */
  const rounded = (limit) => Math.round(limit * 1e4) / 1e4;
  /** @param {number} share */
  const limitAt = (share) => rounded(nearer() ? range[1] - share * (range[1] - range[0]) : range[0] + share * (range[1] - range[0]));
  /** @param {number} limit */
  const shareOf = (limit) => (nearer() ? range[1] - limit : limit - range[0]) / (range[1] - range[0]);

  /** @param {import("./draft.js").Draft} next @param {Api.RehearsalAnswer|null} rehearsal the last answer @param {string} past the time that it is about */
  function draw(next, rehearsal, past) {
    draft = next;
    const fits = rehearsal !== null && rehearsal.by === draft.by;
    if (fits && document.activeElement !== input) range = [rehearsal.low, rehearsal.high];
    else if (!fits) range = [0, 1];
    const at = clamp(shareOf(draft.limit), 0, 1);
    say(title, nearer() ? words.limitNear : words.limitSure);
    const settled = fits && rehearsal.limit === draft.limit;
    const limit = nearer() ? words.limitDistance(draft.limit) : words.sureShort(draft.limit);
    say(value, settled ? words.wouldFire(limit, rehearsal.fired, past) : words.wouldFireSoon(limit));
    if (document.activeElement !== input) input.value = String(Math.round(at * STEPS));
    input.style.setProperty("--at", String(at));
    set(input, "aria-valuetext", value.textContent);
    drawBars(fits ? rehearsal.counts : [], at);
    const shown = [0, 0.25, 0.5, 0.75, 1].map((share) => limitAt(share));
    fill(marks, ...shown.map((each) => h("span", {}, nearer() ? each.toFixed(2) : words.sureShort(each))));
  }

  /** @param {number[]} counts @param {number} at */
  function drawBars(counts, at) {
    const shown = nearer() ? [...counts].reverse() : counts;
    const most = Math.sqrt(Math.max(1, ...shown));
    set(bars, "viewBox", `0 0 ${shown.length || 1} 1`);
    fill(bars, ...shown.map((count, index) => {
      // square roots: a few certain frames among thousands of others are still seen
      const height = count ? Math.max(Math.sqrt(count) / most, 0.04) : 0;
      return h("svg:rect", { x: index + 0.04, width: 0.92, y: (1 - height).toFixed(3), height: height.toFixed(3), class: (index + 0.5) / shown.length >= at ? "in" : null });
    }));
  }

  return { element, draw };
}
