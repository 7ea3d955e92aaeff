/**
 * Ranks again while one drags: at most one request is in the air, the newest question is asked next, and an answer that is older
 * than the one that is shown is dropped by its number.
 */

import { ApiError, search } from "./api.js";

export class Asker {
  /**
   * @param {{
   *   answered: (answer: Api.SearchAnswer, about: {query: Api.SearchBody, tookMs: number, number: number}) => void,
   *   failed: (error: ApiError) => void,
   *   busy: (since: number|null) => void,
   * }} calls
   */
  constructor(calls) {
    this._calls = calls;
    this._number = 0;
    this._shown = 0;
    /** @type {{query: Api.SearchBody, number: number}|null} */
    this._waiting = null;
    /** @type {{number: number, controller: AbortController}|null} */
    this._asked = null;
  }

  /**
   * Asks. urgent: what is in the air is no longer of interest, and is aborted; while one drags it is not, because otherwise no
   * answer would come before the mouse rests.
   * @param {Api.SearchBody} query @param {{urgent: boolean}} how
   */
  ask(query, { urgent }) {
    this._waiting = { query, number: ++this._number };
    if (this._asked && urgent) {
      this._asked.controller.abort();
      this._asked = null;
    }
    if (!this._asked) this._next();
  }

  /** Forgets what is asked and what waits. */
  stop() {
    this._asked?.controller.abort();
    this._asked = this._waiting = null;
    this._shown = this._number;
    this._calls.busy(null);
  }

  async _next() {
    const asked = this._waiting;
    if (!asked) return;
    this._waiting = null;
    const mine = { number: asked.number, controller: new AbortController() };
    this._asked = mine;
    const began = performance.now();
    this._calls.busy(began);
    let answer, error;
    try {
      answer = await search(asked.query, mine.controller.signal);
    } catch (caught) {
      error = caught;
    }
    if (this._asked !== mine) return; // it was aborted, and another was asked
    this._asked = null;
    if (!this._waiting) this._calls.busy(null);
    if (asked.number > this._shown) {
      if (answer) {
        this._shown = asked.number;
        this._calls.answered(answer, { query: asked.query, tookMs: performance.now() - began, number: asked.number });
      } else if (error instanceof ApiError) {
        if (!this._waiting || error.gone) this._calls.failed(error);
      } else throw error;
    }
    this._next();
  }
}
