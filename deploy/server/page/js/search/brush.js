/** A range chosen on a horizontal axis by dragging, and by two sliders for keys. Positions are fractions of the axis. */

import { h, set } from "../core/dom.js";
import { clamp } from "../core/geometry.js";

const CLICK_PX = 4;
const EDGE_PX = 10;
const STEPS = 200;

/**
 * @param {HTMLElement} axis covers the axis
 * @param {{changed: (range: [number, number]|null, how: import("../core/store.js").How) => void, clicked?: (at: number) => void,
 *   labels?: [string, string]}} calls
 */
export function makeBrush(axis, { changed, clicked, labels }) {
  const band = h("div", { class: "band" });
  /** @type {[number, number]|null} */
  let range = null;
  let drag = /** @type {{anchor: number, kind: "new"|"move", from: number, before: [number, number]|null, px: number, far: boolean}|null} */ (null);
  axis.classList.add("brush");
  axis.append(band);
  const ends = (labels ?? []).map((label, at) =>
    h("input", {
      type: "range", class: "unseen", min: 0, max: STEPS, step: 2, "aria-label": label,
      oninput: (event) => {
        const value = Number(event.target.value) / STEPS;
        const next = /** @type {[number, number]} */ (range ? [...range] : [0, 1]);
        next[at] = at ? Math.max(value, next[0] + 2 / STEPS) : Math.min(value, next[1] - 2 / STEPS);
        changed(next[0] <= 0 && next[1] >= 1 ? null : next, "drag");
      },
      onchange: () => changed(range, "done"),
    }),
  );
  axis.append(...ends);

  const at = (event) => {
    const { left, width } = axis.getBoundingClientRect();
    return clamp((event.clientX - left) / width, 0, 1);
  };
  axis.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const x = at(event), width = axis.getBoundingClientRect().width, near = EDGE_PX / width;
    let anchor = x, kind = /** @type {"new"|"move"} */ ("new");
    if (range && Math.abs(x - range[0]) < near) anchor = range[1];
    else if (range && Math.abs(x - range[1]) < near) anchor = range[0];
    else if (range && x > range[0] && x < range[1]) kind = "move";
    drag = { anchor, kind, from: x, before: range, px: event.clientX, far: false };
    axis.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  axis.addEventListener("pointermove", (event) => {
    if (!drag) return;
    drag.far ||= Math.abs(event.clientX - drag.px) >= CLICK_PX;
    if (!drag.far) return;
    const x = at(event);
    if (drag.kind === "move" && drag.before) {
      const [low, high] = drag.before;
      const by = clamp(x - drag.from, -low, 1 - high);
      changed([low + by, high + by], "drag");
    } else changed([Math.min(drag.anchor, x), Math.max(drag.anchor, x, Math.min(drag.anchor, x) + 1 / STEPS)], "drag");
  });
  axis.addEventListener("pointerup", (event) => {
    const ended = drag;
    drag = null;
    if (ended?.far) changed(range, "done");
    else if (ended && clicked) clicked(at(event));
    else if (ended && range && ended.kind !== "move") changed(null, "done");
  });
  axis.addEventListener("pointercancel", () => { drag = null; });
  axis.addEventListener("dblclick", () => changed(null, "done"));

  return {
    /** @param {[number, number]|null} next */
    draw(next) {
      range = next;
      set(band, "hidden", next === null);
      if (next) {
        band.style.left = `${next[0] * 100}%`;
        band.style.width = `${(next[1] - next[0]) * 100}%`;
      }
      ends.forEach((input, which) => { input.value = String(Math.round((next?.[which] ?? which) * STEPS)); });
    },
  };
}
