/** The lanes of all sources. Only those near the window exist; pointers and wheels on them pan, zoom and open. */

import { h } from "../core/dom.js";
import { clamp } from "../core/geometry.js";
import { makeLane } from "./lane.js";

const TALL_PX = 58, LOW_PX = 30; // with close-ups, and without a moment
const NEAR_PX = 10;
const CLICK_PX = 4;
const WHEEL = 1.0016; // of one unit of a wheel

/**
 * @typedef {import("../search/card.js").Item} Item
 * @typedef {import("./rows.js").Row} Row
 * @typedef {{rows: Row[], most: number, shift: [number, number], selected: string|null, tabbable: string|null}} Shown
 */

/**
 * @param {{pictures: import("../core/pictures.js").Pictures, lake: import("../lake.js").Lake, open: (key: string) => void, look: (source: Api.SourceAnswer) => void, hover: (item: Item) => void,
 *   pan: (by: number) => void, zoom: (factor: number, at: number) => void, point: (source: Api.SourceAnswer, at: number, item: Item|null, press: boolean) => void}} calls
 */
export function makeLanes(calls) {
  const line = h("div", { class: "pointer-line", hidden: true, "aria-hidden": "true" });
  const lanes = h("div", { class: "time-lanes" }, line);
  const element = h("div", { class: "time-scroll", tabindex: -1 }, lanes);
  /** @type {Map<string, ReturnType<typeof makeLane>>} */
  const made = new Map();
  let state = /** @type {(Omit<Shown, "rows"> & {rows: (Row & {tall: number})[], tops: number[]})|null} */ (null);
  /** @type {Map<number, number>} pointer → its fraction of the lanes */
  const fingers = new Map();
  let drag = /** @type {{id: number, px: number, x: number, far: boolean, key: string|null}|null} */ (null);

  element.addEventListener("scroll", () => draw(state), { passive: true });

  const edge = () => {
    const style = getComputedStyle(lanes), name = parseFloat(style.getPropertyValue("--name")), count = parseFloat(style.getPropertyValue("--count"));
    return { name, width: Math.max(1, lanes.clientWidth - name - count) };
  };

  /** The lane and the fraction of it at a pointer; null beside the lanes. */
  function at(event) {
    const { left, top } = lanes.getBoundingClientRect(), { name, width } = edge();
    const x = (event.clientX - left - name) / width;
    const y = event.clientY - top, n = state?.tops.findLastIndex((each) => y >= each) ?? -1;
    const row = n >= 0 && state && y < state.tops[n] + state.rows[n].tall ? state.rows[n] : null;
    return x < 0 || x > 1 ? null : { x, width, row };
  }

  /** The moment of a row that is near a fraction of it. @param {Row} row @param {number} x @param {number} width */
  function near(row, x, width) {
    const found = row.moments.map((each) => ({ ...each, gap: Math.abs(each.at - x) * width })).sort((a, b) => a.gap - b.gap)[0];
    return found && found.gap < NEAR_PX ? found.item : null;
  }

  lanes.addEventListener("pointerdown", (event) => {
    const place = event.button === 0 && !event.target.closest(".lane-name") ? at(event) : null;
    if (!place) return;
    fingers.set(event.pointerId, place.x);
    drag = fingers.size === 1 ? { id: event.pointerId, px: event.clientX, x: place.x, far: false, key: event.target.closest(".moment")?.dataset.key ?? null } : null;
  });
  lanes.addEventListener("pointermove", (event) => {
    const place = at(event);
    if (drag && event.pointerId === drag.id) {
      if (!drag.far && Math.abs(event.clientX - drag.px) < CLICK_PX) return;
      if (!drag.far) lanes.setPointerCapture(event.pointerId);
      drag.far = true;
      const x = (event.clientX - drag.px) / edge().width;
      drag.px = event.clientX;
      return calls.pan(-x);
    }
    if (fingers.size === 2 && fingers.has(event.pointerId)) return pinch(event);
    if (event.pointerType === "touch") return;
    line.hidden = !place;
    if (!place) return;
    line.style.left = `${edge().name + place.x * place.width}px`;
    if (place.row && !event.target.closest(".moment")) calls.point(place.row.source, place.x, near(place.row, place.x, place.width), false);
  });
  lanes.addEventListener("pointerleave", () => { line.hidden = true; });

  /** Two fingers zoom about their middle. */
  function pinch(event) {
    const { left } = lanes.getBoundingClientRect(), { name, width } = edge();
    const x = (event.clientX - left - name) / width;
    const [other] = [...fingers].filter(([id]) => id !== event.pointerId).map(([, where]) => where);
    const before = Math.abs(/** @type {number} */ (fingers.get(event.pointerId)) - other), now = Math.abs(x - other);
    fingers.set(event.pointerId, x);
    if (before > 0.02 && now > 0.02) calls.zoom(before / now, clamp((x + other) / 2, 0, 1));
  }

  function ended(event) {
    fingers.delete(event.pointerId);
    const was = drag?.id === event.pointerId ? drag : null;
    if (was) drag = null;
    if (!was || event.type === "pointercancel") return;
    if (was.far) return suppress();
    if (was.key !== null) return; // the close-up opens itself
    const place = at(event);
    if (place?.row) calls.point(place.row.source, place.x, near(place.row, place.x, place.width), true);
  }
  lanes.addEventListener("pointerup", ended);
  lanes.addEventListener("pointercancel", ended);

  /** The click that ends a drag opens nothing. */
  function suppress() {
    const stop = (event) => { event.stopPropagation(); event.preventDefault(); };
    addEventListener("click", stop, { capture: true, once: true });
    setTimeout(() => removeEventListener("click", stop, { capture: true }), 0);
  }

  /** Zooms by a wheel. always: also without Ctrl, where nothing scrolls. */
  const wheel = (always) => (event) => {
    const { left } = lanes.getBoundingClientRect(), { name, width } = edge();
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : 0;
    if (sideways) calls.pan(sideways / width);
    else if (always || event.ctrlKey || event.metaKey) calls.zoom(WHEEL ** event.deltaY, clamp((event.clientX - left - name) / width, 0, 1));
    else return;
    event.preventDefault();
  };
  lanes.addEventListener("wheel", wheel(false), { passive: false });

  /** @param {Shown|null} next */
  function draw(next) {
    if (!next || !element.clientWidth) return;
    let top = 0;
    const tops = [], rows = next.rows.map((row) => ({ ...row, tall: row.total ? TALL_PX : LOW_PX }));
    for (const row of rows) { tops.push(top); top += row.tall; }
    state = { ...next, rows, tops };
    lanes.style.height = `${top}px`;
    const from = element.scrollTop - element.clientHeight, until = element.scrollTop + 2 * element.clientHeight;
    const { width } = edge(), present = new Set();
    rows.forEach((row, n) => {
      const chosen = row.moments.some((each) => each.item.key === next.selected);
      if ((tops[n] + row.tall < from || tops[n] > until) && !chosen) return;
      present.add(row.source.id);
      let lane = made.get(row.source.id);
      if (!lane) {
        made.set(row.source.id, (lane = makeLane(calls)));
        lanes.append(lane.element);
      }
      lane.element.style.transform = `translateY(${tops[n]}px)`;
      lane.element.style.height = `${row.tall}px`;
      lane.draw(row.source, { ...row, most: next.most, shift: next.shift, width, selected: next.selected, tabbable: next.tabbable });
    });
    for (const [id, lane] of made) {
      if (!present.has(id)) {
        lane.drop();
        made.delete(id);
      }
    }
  }

  /** Scrolls to the lane of a moment, and gives it the focus. @param {string} key */
  function focus(key) {
    const n = state?.rows.findIndex((row) => row.moments.some((each) => each.item.key === key)) ?? -1;
    if (!state || n < 0) return;
    const { scrollTop, clientHeight } = element;
    if (state.tops[n] < scrollTop) element.scrollTop = state.tops[n];
    else if (state.tops[n] + state.rows[n].tall > scrollTop + clientHeight) element.scrollTop = state.tops[n] + state.rows[n].tall - clientHeight;
    made.get(state.rows[n].source.id)?.focus(key);
  }

  return { element, draw, focus, wheel, get width() { return edge().width; } };
}
