/** Boxes over the picture of the viewer: the moment thick, others thin, its path dotted. */

import { fill, h } from "../core/dom.js";
import { alike, area, overlap } from "../core/geometry.js";

const SOME = 10;
const APART = 0.5;
const MOST_AREA = 0.5;
const GRID = "grid";
/** @typedef {import("../core/geometry.js").Box} Box */
/** @typedef {"some"|"all"|"none"} Mode which boxes are shown */
export const MODES = /** @type {Mode[]} */ (["some", "all", "none"]);

/** @param {number} share */
const percent = (share) => `${share * 100}%`;
/** @param {Box} box @param {string} name */
const rect = ([x0, y0, x1, y1], name) => h("svg:rect", { class: name, x: percent(x0), y: percent(y0), width: percent(x1 - x0), height: percent(y1 - y0), rx: 4 });

/** Regions worth showing: those with a label and the best, which overlap little and are neither backgrounds nor cells of a grid. @param {Api.RegionAnswer[]} regions @param {Box|null} hit @param {Mode} mode */
export function others(regions, hit, mode) {
  const rest = regions.filter((each) => !hit || !alike(each.box, hit));
  if (mode === "none") return [];
  if (mode === "all") return rest;
  const kept = [];
  const found = rest.filter((each) => !each.proposer.startsWith(GRID));
  for (const each of [...found.filter((each) => each.label), ...found.filter((each) => !each.label)]) {
    if (kept.length === SOME) break;
    if (area(each.box) <= MOST_AREA && kept.every((other) => overlap(other.box, each.box) < APART) && (!hit || overlap(hit, each.box) < APART)) kept.push(each);
  }
  return kept;
}

export class Overlay {
  constructor() {
    this.element = h("svg:svg", { class: "overlay", "aria-hidden": "true" });
  }

  /**
   * @param {{regions: Api.RegionAnswer[], box: Box|null, mode: Mode, path: [number, number][]}} shown path: centres of the region over time
   */
  draw({ regions, box, mode, path }) {
    const parts = others(regions, box, mode).map((each) => rect(each.box, "other"));
    if (mode !== "none" && path.length > 1) {
      // a line in percent: the picture may have any shape
      for (let at = 1; at < path.length; at += 1) {
        const [[x1, y1], [x2, y2]] = [path[at - 1], path[at]];
        parts.push(h("svg:line", { class: "path", x1: percent(x1), y1: percent(y1), x2: percent(x2), y2: percent(y2) }));
      }
    }
    if (box && area(box) < 0.98) parts.push(rect(box, "hit halo"), rect(box, "hit"));
    fill(this.element, ...parts);
  }
}
