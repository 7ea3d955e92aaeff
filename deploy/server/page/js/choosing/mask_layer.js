/** The region that was chosen and the points by which it was, over a picture. */

import { fill, h, set } from "../core/dom.js";

/** @param {number} share */
const percent = (share) => `${share * 100}%`;

export function makeMaskLayer() {
  const shapes = ["halo", "fill"].map((name) => h("svg:path", { class: name, "fill-rule": "evenodd", "vector-effect": "non-scaling-stroke" }));
  const dots = h("svg:g", {});
  const element = h("svg:svg", { class: "mask-layer", "aria-hidden": "true" }, h("svg:svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none", overflow: "visible" }, ...shapes), dots);
  /** @param {import("./chooser.js").Chooser} chooser */
  function draw({ pick, region }) {
    const path = region?.outline.map((part) => `M${part.map((corner) => corner.join(" ")).join("L")}Z`).join("") ?? "";
    for (const shape of shapes) set(shape, "d", path);
    set(element, "data-marked", region !== null);
    const dot = (name) => ([x, y]) => h("svg:circle", { class: `dot-${name}`, cx: percent(x), cy: percent(y), r: 5 });
    fill(dots, ...(pick?.points ?? []).map(dot("in")), ...(pick?.not ?? []).map(dot("out")));
  }
  return { element, draw };
}
