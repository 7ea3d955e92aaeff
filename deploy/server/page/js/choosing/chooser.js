/**
 * What a user points out in a picture: points in it and outside of it, a box around it, or words; and the region that the service
 * chooses by them.
 *
 * @typedef {object} Pick
 * @property {[number, number][]} points
 * @property {[number, number][]} not points outside of it
 * @property {string|null} text
 * @property {import("../core/geometry.js").Box|null} box
 */

import { ApiError, region as ask } from "../core/api.js";
import { latest } from "../core/latest.js";
import { promptsOf } from "../core/question.js";
import { words } from "../words.js";

/** @type {Readonly<Pick>} */
export const NOTHING = Object.freeze({ points: [], not: [], text: null, box: null });

/** @param {number} value */
const rounded = (value) => Math.round(Math.min(Math.max(value, 0), 1) * 1e4) / 1e4;

export class Chooser {
  /**
   * @param {{picture: () => {image: string}|{frame: string}|null, changed: () => void, said: (sentence: string) => void}} calls
   *   picture: the one that is shown
   */
  constructor({ picture, changed, said }) {
    this._picture = picture;
    this._changed = changed;
    this._said = said;
    /** @type {Pick|null} */
    this.pick = null;
    /** @type {Api.RegionChoiceAnswer|null} what the service chose; null while it is asked, and where nothing fits */
    this.region = null;
    this._ask = latest((pick) => this._read(pick));
  }

  /** A point was pressed: alone, with Shift one more, with Alt one outside of the region. @param {[number, number]} at @param {{shiftKey: boolean, altKey: boolean}} event */
  point([x, y], { shiftKey, altKey }) {
    const at = /** @type {[number, number]} */ ([rounded(x), rounded(y)]); // as the address has it
    const before = this.pick ?? NOTHING;
    if (altKey && before !== NOTHING) this._set({ ...before, not: [...before.not, at] });
    else if (shiftKey) this._set({ ...before, box: null, points: [...before.points, at] });
    else this._set({ ...NOTHING, points: [at] });
  }

  /** @param {import("../core/geometry.js").Box} box @param {import("../core/store.js").How} how */
  box(box, how) {
    this.pick = { ...NOTHING, box };
    this.region = null;
    this._changed();
    if (how !== "drag") this._ask(this.pick);
  }

  /** @param {string} text */
  text(text) {
    if (text.trim()) this._set({ ...NOTHING, text: text.trim() });
    else this.clear();
  }

  /** @returns {boolean} whether there was something */
  clear() {
    const had = this.pick !== null;
    this.pick = this.region = null;
    if (had) this._changed();
    return had;
  }

  /** @param {Pick} pick */
  _set(pick) {
    this.pick = pick;
    this.region = null;
    this._changed();
    this._said(words.pointing);
    this._ask(pick);
  }

  /** @param {Pick} pick */
  async _read(pick) {
    const picture = this._picture(), same = () => this.pick === pick && JSON.stringify(this._picture()) === JSON.stringify(picture);
    if (!picture || this.pick !== pick) return;
    try {
      const found = await ask({ ...picture, ...promptsOf(pick) });
      if (!same()) return;
      this.region = found;
      this._said(words.marked(found.area));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (!same()) return;
      this._said(error.gone ? words.gone : error.message);
    }
    this._changed();
  }
}
