/**
 * A box drawn over a picture with a pointer or keys: drag on empty ground draws it, inside moves it, eight handles resize it.
 * Coordinates are fractions of the picture.
 */

import { h, set } from "../core/dom.js";
import { HANDLES, boxBetween, grown, handleAt, inside, moved, resized } from "../core/geometry.js";

/** @typedef {[number, number]} Point */

const CLICK_PX = 4;
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
/** @param {number} share */
const percent = (share) => `${share * 100}%`;

export class Drawing {
  /**
   * @param {HTMLElement} ground covers the picture exactly; it takes pointers and the focus
   * @param {{
   *   changed: (box: import("../core/geometry.js").Box|null, how: import("../core/store.js").How) => void,
   *   clicked?: (point: [number, number], event: PointerEvent) => void,
   * }} calls
   */
  constructor(ground, calls) {
    this._ground = ground;
    this._calls = calls;
    /** @type {import("../core/geometry.js").Box|null} */
    this.box = null;
    this.enabled = true;
    this._nudged = false;
    /** @type {{kind: "draw"|"move"|"resize", handle: string|null, at: Point, before: import("../core/geometry.js").Box|null, client: Point, far: boolean}|null} */
    this._drag = null;
    this._rects = ["halo", "fill", "dash"].map((name) => h("svg:rect", { class: name, rx: 2 }));
    this._handles = HANDLES.map((name) => ({
      name,
      parts: [
        h("svg:circle", { class: `grip ${name}`, r: 12, "data-handle": name }),
        h("svg:circle", { class: "knob", r: name.length === 2 ? 5.5 : 3.5 }),
      ],
    }));
    this._group = h("svg:g", { class: "drawn", display: "none" }, ...this._rects, ...this._handles.flatMap((each) => each.parts));
    ground.append(h("svg:svg", { class: "drawing", "aria-hidden": "true" }, this._group));
    const when = (act) => (event) => { if (this.enabled) act(event); };
    ground.addEventListener("pointerdown", when((event) => this._down(event)));
    ground.addEventListener("pointermove", when((event) => this._move(event)));
    ground.addEventListener("pointerup", when((event) => this._up(event)));
    ground.addEventListener("pointercancel", when(() => this.giveUp()));
    ground.addEventListener("keydown", when((event) => this._key(event)));
    ground.addEventListener("keyup", when((event) => {
      if (this._nudged && event.key in STEPS) {
        this._nudged = false;
        this._calls.changed(this.box, "done");
      }
    }));
  }

  /** Shows a box. faded: it is kept, but does not count. */
  show(box, { faded = false } = {}) {
    this.box = box;
    set(this._group, "display", box ? null : "none");
    set(this._group, "class", faded ? "drawn faded" : "drawn");
    if (!box) return;
    for (const rect of this._rects) {
      set(rect, "x", percent(box[0]));
      set(rect, "y", percent(box[1]));
      set(rect, "width", percent(box[2] - box[0]));
      set(rect, "height", percent(box[3] - box[1]));
    }
    for (const { name, parts } of this._handles) {
      const [x, y] = handleAt(box, name);
      for (const part of parts) {
        set(part, "cx", percent(x));
        set(part, "cy", percent(y));
      }
    }
  }

  /** Gives up a drag. Returns whether there was one. */
  giveUp() {
    if (!this._drag) return false;
    const { before } = this._drag;
    this._drag = null;
    this._ground.classList.remove("dragging");
    this.show(before);
    this._calls.changed(before, "done");
    return true;
  }

  get dragging() {
    return this._drag !== null;
  }

  _point(event) {
    const { left, top, width, height } = this._ground.getBoundingClientRect();
    return /** @type {[number, number]} */ ([(event.clientX - left) / width, (event.clientY - top) / height]);
  }

  _down(event) {
    if (event.button !== 0 || event.target.closest("button")) return;
    const at = this._point(event);
    const handle = event.target.getAttribute?.("data-handle");
    const kind = !this.box ? "draw" : handle ? "resize" : inside(this.box, at) ? "move" : "draw";
    this._drag = { kind, handle, at, before: this.box, client: [event.clientX, event.clientY], far: false };
    this._ground.setPointerCapture(event.pointerId);
    this._ground.focus({ preventScroll: true });
    event.preventDefault();
  }

  _move(event) {
    const drag = this._drag;
    if (!drag) return;
    const gone = Math.hypot(event.clientX - drag.client[0], event.clientY - drag.client[1]);
    if (!drag.far && gone < CLICK_PX) return;
    drag.far = true;
    this._ground.classList.add("dragging");
    const at = this._point(event);
    let box;
    if (drag.before === null || drag.kind === "draw") box = boxBetween(drag.at, at);
    else if (drag.kind === "move") box = moved(drag.before, [at[0] - drag.at[0], at[1] - drag.at[1]]);
    else box = resized(drag.before, drag.handle ?? "", at);
    this.show(box);
    this._calls.changed(box, "drag");
  }

  _up(event) {
    const drag = this._drag;
    if (!drag) return;
    this._drag = null;
    this._ground.classList.remove("dragging");
    if (drag.far) this._calls.changed(this.box, "done");
    else if (drag.kind !== "resize") this._calls.clicked?.(this._point(event), event);
  }

  _key(event) {
    if (event.target !== this._ground || event.ctrlKey || event.metaKey) return;
    if (event.key in STEPS && this.box) {
      const by = event.shiftKey ? 0.05 : 0.01;
      const step = STEPS[event.key].map((each) => each * by);
      const box = event.altKey ? grown(this.box, step) : moved(this.box, step);
      this._nudged = true;
      this.show(box);
      this._calls.changed(box, "drag");
    } else if (event.key === "Enter" && !this.box) {
      this._calls.changed([0.35, 0.3, 0.65, 0.7], "done");
    } else if ((event.key === "Delete" || event.key === "Backspace") && this.box) {
      this._calls.changed(null, "done");
    } else if (!(event.key === "Escape" && this.giveUp())) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}
