/** Activity of the lake over time, and moments as fractions of its axis. */

import { activity, ApiError } from "../core/api.js";
import { bound, toMoment, toNumber } from "../core/format.js";
import { clamp } from "../core/geometry.js";
import { words } from "../words.js";

export const BINS = 84;

export class TimeAxis {
  /** @param {import("../lake.js").Lake} lake @param {() => void} changed */
  constructor(lake, changed) {
    this._lake = lake;
    this._changed = changed;
    this._asked = "";
    /** @type {Api.ActivityAnswer|null} */
    this._counts = null;
    /** @type {"utc"|"source"|null} the clock; null: that of the sources, UTC where they have it */
    this.clock = null;
  }

  /** Reads the counts again where the lake has grown. */
  async update() {
    const key = `${this._lake.made} ${this._lake.generation} ${this.clock}`;
    if (key === this._asked || !this._lake.sources.some((each) => each.keyframes)) return;
    this._asked = key;
    try {
      // a brush in UTC finds nothing in sources whose time is not known
      const searched = this._lake.sources.filter((each) => each.keyframes);
      const utc = searched.some((each) => each.kind === "feed") || searched.every((each) => each.start !== null);
      this._counts = await activity({ bins: BINS, clock: this.clock ?? (utc ? "utc" : "source") });
      this._changed();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this._asked = ""; // asked again at the next change
    }
  }

  get known() {
    return this._counts !== null;
  }

  /** The answer of `/api/activity`, once it is `known`. */
  get counts() {
    return /** @type {Api.ActivityAnswer} */ (this._counts);
  }

  get first() {
    return toNumber(this.counts.since);
  }

  get spanS() {
    return toNumber(this.counts.until) - this.first;
  }

  /** The counts of keyframes of some sources, or of all. @param {string[]} sources @returns {number[]} */
  keyframes(sources) {
    if (!sources.length) return this.counts.keyframes;
    const sum = new Array(this.counts.keyframes.length).fill(0);
    for (const each of this.counts.sources) {
      if (sources.includes(each.id)) each.keyframes.forEach((count, at) => { sum[at] += count; });
    }
    return sum;
  }

  moment(at) {
    return toMoment(this.first + at * this.spanS, this.counts.clock);
  }

  /** The fraction of the axis at which a hit lies; null where it is of another clock. */
  place(hit) {
    const time = this.counts.clock === "utc" ? (hit.time ? toNumber(hit.time) : null) : hit.pts_s;
    return time === null ? null : (time - this.first) / this.spanS;
  }

  /** @param {import("../core/question.js").Question} question @returns {[number, number]|null} */
  range({ since, until }) {
    if (since === null && until === null) return null;
    const at = (moment, otherwise) => {
      const kind = this.counts.clock === "utc" ? "string" : "number";
      return typeof moment === kind ? clamp((toNumber(moment) - this.first) / this.spanS, 0, 1) : otherwise;
    };
    return [at(since, 0), at(until, 1)];
  }

  /** `0:04 to 0:12`: the bounds of a question, where it has any, else those of the axis. */
  said({ since, until }) {
    return words.range(bound(since ?? this.moment(0), this.spanS), bound(until ?? this.moment(1), this.spanS));
  }

  /** A range as `since` and `until`; what reaches the end of the axis has no bound there. */
  bounds(range) {
    if (range === null) return { since: null, until: null };
    return { since: range[0] <= 0 ? null : this.moment(range[0]), until: range[1] >= 1 ? null : this.moment(range[1]) };
  }
}
