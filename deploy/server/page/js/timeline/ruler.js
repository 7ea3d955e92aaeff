/** Marks of time above the lanes, at round times of the clock. */

import { fill, h } from "../core/dom.js";
import { bound, toMoment } from "../core/format.js";

const STEPS_S = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000, 31_536_000];
const APART_PX = 96;

/** Round times within a span, at most one in so many pixels. @param {[number, number]} span @param {"utc"|"source"} clock @returns {number[]} */
export function marksOf([from, until], clock, width) {
  const step = STEPS_S.find((each) => (each / (until - from)) * width >= APART_PX) ?? STEPS_S[STEPS_S.length - 1];
  // hours and days of the clock on the wall begin elsewhere than those of UTC
  const shift = clock === "utc" ? -new Date(from * 1000).getTimezoneOffset() * 60 : 0;
  const marks = [];
  for (let at = Math.ceil((from + shift) / step) * step; at <= until + shift; at += step) marks.push(at - shift);
  return marks;
}

export function makeRuler() {
  const element = h("div", { class: "ruler", "aria-hidden": "true" });
  /** @param {[number, number]} span @param {"utc"|"source"} clock @param {number} width CSS pixels */
  function draw(span, clock, width) {
    const length = span[1] - span[0];
    fill(element, ...marksOf(span, clock, width).map((each) => {
      const mark = h("span", {}, bound(toMoment(each, clock), length));
      mark.style.left = `${((each - span[0]) / length) * 100}%`;
      return mark;
    }));
  }
  return { element, draw };
}
