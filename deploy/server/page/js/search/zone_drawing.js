/**
 * A zone drawn over a picture: a drag on empty ground makes a rectangle, click by click makes a polygon, closed at its first point.
 * Its corners and itself are dragged; a click on a side adds a corner, a right click removes one.
 */

import { fill, h, set } from "../core/dom.js";
import { boxBetween } from "../core/geometry.js";
import { cornersOf, holds, isZone, kept, MOST_CORNERS, nearestSide, shifted } from "../core/polygon.js";

const CLICK_PX = 4;
const NEAR_PX = 10;
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
/** @param {number} share */
const percent = (share) => `${share * 100}%`;

export class ZoneDrawing {
  /**
   * @param {HTMLElement} ground covers the picture exactly; it takes pointers and the focus
   * @param {{changed: (zone: import("../core/polygon.js").Zone|null, how: import("../core/store.js").How) => void}} calls
   */
  constructor(ground, { changed }) {
    this._ground = ground;
    this._changed = changed;
    this.enabled = false;
    /** @type {import("../core/polygon.js").Zone|null} */
    this.zone = null;
    /** Corners of a polygon that is not closed yet. @type {import("../core/polygon.js").Zone} */
    this._open = [];
    this._nudged = false;
    /** @type {{kind: "draw"|"move"|"corner", corner: number, at: [number, number], before: import("../core/polygon.js").Zone|null, client: [number, number], far: boolean, first: boolean}|null} */
    this._drag = null;
    this._shapes = ["halo", "fill", "dash"].map((name) => h("svg:path", { class: name, "vector-effect": "non-scaling-stroke" }));
    this._knobs = h("svg:g", {});
    this._group = h("svg:g", { display: "none" }, h("svg:svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none", overflow: "visible" }, ...this._shapes), this._knobs);
    ground.append(h("svg:svg", { class: "drawing", "aria-hidden": "true" }, this._group));
    const when = (act) => (event) => { if (this.enabled) act(event); };
    ground.addEventListener("pointerdown", when((event) => this._down(event)));
    ground.addEventListener("pointermove", when((event) => this._move(event)));
    ground.addEventListener("pointerup", when((event) => this._up(event)));
    ground.addEventListener("pointercancel", when(() => this.giveUp()));
    ground.addEventListener("contextmenu", when((event) => this._remove(event)));
    ground.addEventListener("keydown", when((event) => this._key(event)));
    ground.addEventListener("keyup", when((event) => {
      if (this._nudged && event.key in STEPS) {
        this._nudged = false;
        this._changed(this.zone, "done");
      }
    }));
  }

  get dragging() {
    return this._drag !== null;
  }

  /** Shows a zone; while a polygon is drawn that is shown instead. */
  show(zone) {
    this.zone = zone;
    const corners = this._open.length ? this._open : zone ?? [];
    this._ground.classList.toggle("cornering", this._open.length > 0);
    set(this._group, "display", this.enabled && corners.length ? null : "none");
    set(this._group, "class", "drawn zone");
    const way = corners.map((corner, at) => `${at ? "L" : "M"}${corner.join(" ")}`).join("") + (this._open.length ? "" : "Z");
    for (const shape of this._shapes) set(shape, "d", corners.length ? way : "");
    fill(this._knobs, ...corners.flatMap(([x, y], at) => [
      h("svg:circle", { class: "grip", r: 12, cx: percent(x), cy: percent(y), "data-corner": at }),
      h("svg:circle", { class: "knob", r: this._open.length && !at ? 7.5 : 5.5, cx: percent(x), cy: percent(y) }),
    ]));
  }

  /** Gives up a drag, or a polygon that is not closed. Returns whether there was one. */
  giveUp() {
    const drag = this._drag;
    if (!drag && !this._open.length) return false;
    this._drag = null;
    this._open = [];
    this._ground.classList.remove("dragging");
    this.show(drag ? drag.before : this.zone);
    if (drag) this._changed(drag.before, "done");
    return true;
  }

  _point(event) {
    const { left, top, width, height } = this._ground.getBoundingClientRect();
    return /** @type {[number, number]} */ ([(event.clientX - left) / width, (event.clientY - top) / height]);
  }

  _size() {
    return /** @type {[number, number]} */ ([this._ground.clientWidth, this._ground.clientHeight]);
  }

  _down(event) {
    if (event.button !== 0 || event.target.closest("button")) return;
    const at = this._point(event), corner = event.target.getAttribute?.("data-corner");
    let kind = /** @type {"draw"|"move"|"corner"} */ ("draw");
    if (this.zone && !this._open.length && corner !== null && corner !== undefined) kind = "corner";
    else if (this.zone && !this._open.length && holds(this.zone, at)) kind = "move";
    this._drag = { kind, corner: Number(corner), at, before: this.zone, client: [event.clientX, event.clientY], far: false, first: corner === "0" };
    this._ground.setPointerCapture(event.pointerId);
    this._ground.focus({ preventScroll: true });
    event.preventDefault();
  }

  _move(event) {
    const drag = this._drag;
    if (!drag) return;
    if (!drag.far && Math.hypot(event.clientX - drag.client[0], event.clientY - drag.client[1]) < CLICK_PX) return;
    drag.far = true;
    this._ground.classList.add("dragging");
    const at = this._point(event);
    let zone;
    if (drag.before && drag.kind === "corner") zone = drag.before.map((each, number) => (number === drag.corner ? kept(at) : each));
    else if (drag.before && drag.kind === "move") zone = shifted(drag.before, [at[0] - drag.at[0], at[1] - drag.at[1]]);
    else {
      this._open = [];
      zone = cornersOf(boxBetween(drag.at, at));
    }
    if (!isZone(zone)) return; // a corner that was dragged across a side stays where it was
    this.show(zone);
    this._changed(zone, "drag");
  }

  _up(event) {
    const drag = this._drag;
    if (!drag) return;
    this._drag = null;
    this._ground.classList.remove("dragging");
    if (drag.far) this._changed(this.zone, "done");
    else this._click(this._point(event), drag);
  }

  _click(at, drag) {
    if (this._open.length) {
      if (drag.first) return this._close();
      if (this._open.length < MOST_CORNERS) this._open.push(kept(at));
    } else if (this.zone && drag.kind !== "corner") {
      const side = nearestSide(this.zone, at, this._size());
      if (side.distance < NEAR_PX) {
        const zone = this.zone.toSpliced(side.at + 1, 0, kept(at));
        if (isZone(zone)) this._changed(zone, "done");
        return;
      }
      if (drag.kind === "draw") this._open = [kept(at)];
    } else if (!this.zone) this._open = [kept(at)];
    this.show(this.zone);
  }

  _close() {
    const corners = this._open;
    if (!isZone(corners)) return false;
    this._open = [];
    this.show(corners);
    this._changed(corners, "done");
    return true;
  }

  _remove(event) {
    const corner = event.target.getAttribute?.("data-corner");
    if (corner === null || corner === undefined || !this.zone) return;
    event.preventDefault();
    const zone = this.zone.toSpliced(Number(corner), 1);
    if (isZone(zone)) this._changed(zone, "done");
  }

  _key(event) {
    if (event.target !== this._ground || event.ctrlKey || event.metaKey) return;
    if (event.key in STEPS && this.zone) {
      const by = event.shiftKey ? 0.05 : 0.01;
      const zone = shifted(this.zone, STEPS[event.key].map((each) => each * by));
      this._nudged = true;
      this.show(zone);
      this._changed(zone, "drag");
    } else if (event.key === "Enter" && this._open.length) this._close();
    else if (event.key === "Enter" && !this.zone) this._changed(cornersOf([0.3, 0.3, 0.7, 0.8]), "done");
    else if ((event.key === "Delete" || event.key === "Backspace") && this._open.length) {
      this._open.pop();
      this.show(this.zone);
    } else if ((event.key === "Delete" || event.key === "Backspace") && this.zone) this._changed(null, "done");
    else if (!(event.key === "Escape" && this.giveUp())) return;
    event.preventDefault();
    event.stopPropagation();
  }
}
