/** A lane for each source: its activity over time, and a tick for each moment. A brush there is the time range. */

import { fill, h, show } from "../core/dom.js";
import { bound } from "../core/format.js";
import { words } from "../words.js";
import { makeBrush } from "./brush.js";
import { BINS } from "./time_axis.js";

const MOST = 4;
const MARKS = 6;

/** @param {import("../core/store.js").Store} store @param {import("./time_axis.js").TimeAxis} axis @param {(item: any) => void} open */
export function makeLanes(store, axis, open) {
  const rows = h("div", { class: "rows" });
  const over = h("div", { class: "over" });
  const marks = h("div", { class: "marks", "aria-hidden": "true" });
  const element = h("section", { class: "lanes", "aria-label": words.lanes }, rows, over, marks);
  /** @type {any[]} */
  let items = [];
  const brush = makeBrush(over, {
    changed: (range, how) => store.change(axis.bounds(range), how),
    clicked: (at) => {
      const near = items.map((item) => ({ item, gap: Math.abs((axis.place(item.hit) ?? 9) - at) })).sort((a, b) => a.gap - b.gap)[0];
      if (near && near.gap * over.clientWidth < 12) open(near.item);
    },
  });

  function lane(id, name, counts, own, most) {
    const bars = counts.map((count, at) => h("svg:rect", { class: "activity", x: at + 0.08, width: 0.84, y: 1 - count / most, height: count / most }));
    return h(
      "div", { class: "lane" },
      h("span", { class: "name", title: name }, name),
      h("div", { class: "track" },
        h("svg:svg", { viewBox: `0 0 ${BINS} 1`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...bars),
        h("svg:svg", { class: "ticks", "aria-hidden": "true" }, ...own.map((at) => h("svg:rect", { class: "tick", x: `${at * 100}%`, width: 3, height: "100%", rx: 1 }))),
      ),
      h("span", { class: "hits" }, String(own.length)),
    );
  }

  /** @param {import("./card.js").Item[]} shown */
  function draw(shown) {
    items = shown;
    const known = axis.known && shown.length > 0;
    show(element, known);
    if (!known) return;
    const hits = new Map();
    for (const { hit } of shown) {
      const at = axis.place(hit);
      if (at !== null && at >= 0 && at <= 1) hits.set(hit.source_id, [...(hits.get(hit.source_id) ?? []), at]);
    }
    const listed = axis.counts.sources
      .filter((each) => hits.has(each.id))
      .sort((a, b) => hits.get(b.id).length - hits.get(a.id).length)
      .slice(0, MOST);
    const key = JSON.stringify([listed.map((each) => [each.id, hits.get(each.id).map((at) => Math.round(at * 1000))]), axis.first]);
    if (element.dataset.key !== key) {
      element.dataset.key = key;
      const most = Math.max(1, ...listed.flatMap((each) => each.keyframes)) * 1.6;
      fill(rows, ...listed.map((each) => lane(each.id, each.name, each.keyframes, hits.get(each.id), most)));
      fill(marks, ...Array.from({ length: MARKS }, (_, at) => h("span", {}, bound(axis.moment(at / (MARKS - 1)), axis.spanS))));
    }
    brush.draw(axis.range(store.question));
  }
  return { element, draw };
}
