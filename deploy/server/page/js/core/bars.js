/** A histogram over an axis: a bar for each count, drawn again only where the counts changed. */

import { fill, h, set } from "./dom.js";

/** @param {{least?: number}} [look] least: height of a bar, as a share of the highest; also of a count of zero */
export function makeBars({ least = 0 } = {}) {
  const element = h("svg:svg", { class: "bars", preserveAspectRatio: "none", "aria-hidden": "true" });
  let drawn = "";

  /** @param {number[]} counts @returns {boolean} whether they changed */
  function draw(counts) {
    const key = counts.join();
    if (key === drawn) return false;
    drawn = key;
    const most = Math.max(1, ...counts);
    set(element, "viewBox", `0 0 ${counts.length} 1`);
    fill(element, ...counts.map((count, at) => {
      const height = Math.max(count / most, least);
      return h("svg:rect", { class: count ? "in" : null, x: at + 0.1, width: 0.8, y: 1 - height, height });
    }));
    return true;
  }

  return { element, draw };
}
