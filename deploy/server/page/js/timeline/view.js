/** The part of time that the timeline shows, in seconds: since 1970, or within each source. */

import { toMoment, toNumber } from "../core/format.js";
import { clamp } from "../core/geometry.js";

const LEAST_S = 1;

/** @typedef {[number, number]} Span */

/** The span of `FROM~UNTIL` in an address; null where it is none of this clock. @param {string|null} text @param {"utc"|"source"} clock @returns {Span|null} */
export function spanOf(text, clock) {
  const ends = (text ?? "").split("~").map((end) => (end !== "" && Number.isFinite(+end) ? +end : end));
  const kind = clock === "utc" ? "string" : "number";
  if (ends.length !== 2 || ends.some((end) => typeof end !== kind)) return null;
  const [from, until] = ends.map(toNumber);
  return until > from ? [from, until] : null; // also where one is no date
}

/** The clock of a span in an address; null where there is none. @param {string|null} text @returns {"utc"|"source"|null} */
export const clockOf = (text) => (text === null ? null : spanOf(text, "utc") ? "utc" : spanOf(text, "source") ? "source" : null);

/** @param {Span} span @param {"utc"|"source"} clock */
export const textOf = (span, clock) => span.map((end) => toMoment(end, clock)).join("~");

/** The span within the whole, of its own length where that fits. @param {Span} span @param {Span} whole @returns {Span} */
export function within([from, until], whole) {
  const length = clamp(until - from, Math.min(LEAST_S, whole[1] - whole[0]), whole[1] - whole[0]);
  const first = clamp(from, whole[0], whole[1] - length);
  return [first, first + length];
}

/** The span made `factor` times as long, so that what is at a fraction of it stays there. @param {Span} span @param {number} factor @param {number} at @param {Span} whole @returns {Span} */
export function zoomed([from, until], factor, at, whole) {
  const length = clamp((until - from) * factor, Math.min(LEAST_S, whole[1] - whole[0]), whole[1] - whole[0]);
  const fixed = from + at * (until - from);
  return within([fixed - at * length, fixed + (1 - at) * length], whole);
}

/** The span moved by a fraction of its length. @param {Span} span @param {number} by @param {Span} whole @returns {Span} */
export const panned = ([from, until], by, whole) => within([from + by * (until - from), until + by * (until - from)], whole);

/** When a moment was, on a clock; null where that is not known. @param {{pts_s: number, time: string|null}} moment @param {"utc"|"source"} clock @returns {number|null} */
export const timeOf = (moment, clock) => (clock === "source" ? moment.pts_s : moment.time ? toNumber(moment.time) : null);
