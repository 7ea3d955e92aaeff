/** Keeps the question, its history for undo, and the address. */

import { asking, base, placeNow, TIMELINE } from "./places.js";
import { EMPTY, fromAddress, toAddress } from "./question.js";

const MOST_UNDO = 200;

/** How a change was made. `drag`: more follow at once; `type`: more may follow; `done`: it is complete. */
/** @typedef {"drag"|"type"|"done"} How */

export class Store {
  constructor() {
    /** @type {import("./question.js").Question} */
    this.question = fromAddress(location.search);
    /** @type {string|null} the open moment, `FRAME` or `FRAME.x0,y0,x1,y1` */
    this.open = new URLSearchParams(location.search).get("open");
    /** @type {string|null} the part of time that the timeline shows, `FROM~UNTIL`; null: all */
    this.view = new URLSearchParams(location.search).get("view");
    this._saved = this.question;
    /** @type {import("./question.js").Question[]} */
    this._undo = [];
    /** @type {import("./question.js").Question[]} */
    this._redo = [];
    this._hearers = [];
  }

  /** Reads the address, to which one went. */
  arrive() {
    if (asking()) this.question = this._saved = fromAddress(location.search);
    if (placeNow() === TIMELINE) this.view = new URLSearchParams(location.search).get("view");
    this.open = new URLSearchParams(location.search).get("open");
    this._report("done");
  }

  /** Calls `hear(how)` after each change. @param {(how: How) => void} hear */
  subscribe(hear) {
    this._hearers.push(hear);
  }

  /**
   * Changes what is asked, and goes to the search room from one whose address is not the question.
   * @param {Partial<import("./question.js").Question>} patch @param {How} [how]
   */
  change(patch, how = "done") {
    this._enter();
    this.question = { ...this.question, ...patch };
    this.open = null;
    if (how === "done") this.commit();
/** @param {How} how */
    else this._report(how);
  }

  /** Makes what was dragged or typed one step of the history. */
  commit() {
    if (toAddress(this._saved) !== toAddress(this.question)) {
      this._undo = [...this._undo.slice(1 - MOST_UNDO), this._saved];
      this._redo = [];
      this._saved = this.question;
    } else if (!asking()) return;
    this._address("pushState");
    this._report("done");
  }

  /** Gives up what has been dragged since the last step. */
  revert() {
    this.question = this._saved;
    this._report("done");
  }

  clear() {
    this.change({ ...EMPTY, still: this.question.still, group: this.question.group });
  }

  undo() {
    return this._travel(this._undo, this._redo);
  }

  redo() {
    return this._travel(this._redo, this._undo);
  }

  /** Opens a moment over the room, or closes it with null. @param {string|null} open @param {boolean} [beside] of one that is open */
  show(open, beside = false) {
    if (open === this.open) return;
    const replaces = beside || open === null;
    this.open = open;
    this._address(replaces ? "replaceState" : "pushState");
    this._report("done");
  }

  /** Shows another part of the timeline. @param {string|null} view */
  look(view) {
    this.view = view;
    this._address("replaceState");
  }

  /** @param {import("./question.js").Question[]} from @param {import("./question.js").Question[]} to */
  _travel(from, to) {
    const question = from.pop();
    if (!question) return false;
    this._enter();
    to.push(this._saved);
    this.question = this._saved = question;
    this.open = null;
    this._address("pushState");
    this._report("done");
    return true;
  }

  /** Goes to the search room, unless the address is a question already. */
  _enter() {
    if (!asking()) history.pushState(null, "", base() + toAddress(this._saved));
  }

  /** @param {"pushState"|"replaceState"} method */
  _address(method) {
    const place = placeNow();
    const address = asking(place) ? base() + place + toAddress(this.question, this.open, place === TIMELINE ? this.view : null) : location.pathname + withOpen(location.search, this.open);
    if (address !== location.pathname + location.search) history[method](null, "", address);
  }

  _report(how) {
    for (const hear of this._hearers) hear(how);
  }
}

/** The search part of another room's address, with the moment that is open over it. @param {string} search @param {string|null} open */
function withOpen(search, open) {
  const given = new URLSearchParams(search);
  given.delete("open");
  if (open) given.set("open", open);
  const text = given.toString().replaceAll("%2C", ",");
  return text ? `?${text}` : "";
}
