/** What the lanes show: moments of the answer on a clock, and the sources to which they belong. */

import { timeOf } from "./view.js";

/**
 * @typedef {import("../search/card.js").Item} Item
 * @typedef {{item: Item, time: number}} Timed time: seconds on the clock of the timeline
 * @typedef {{source: Api.SourceAnswer, total: number, counts: number[], moments: import("./lane.js").Placed[]}} Row
 *   total: moments of the source at any time. moments: those of the part of time that is shown
 */

/** Moments on a clock, in order of time. @param {Item[]} items @param {"utc"|"source"} clock @returns {Timed[]} */
export function timed(items, clock) {
  return items
    .flatMap((item) => {
      const time = timeOf(item.hit, clock);
      return time === null ? [] : [{ item, time }];
    })
    .sort((a, b) => a.time - b.time || a.item.at - b.item.at);
}

/**
 * A row for each source with keyframes on this clock, those with the most moments first.
 * @param {{sources: Api.SourceAnswer[], moments: Timed[], counts: Api.ActivityAnswer|null, clock: "utc"|"source", span: import("./view.js").Span}} given
 * @returns {Row[]}
 */
export function rowsOf({ sources, moments, counts, clock, span: [from, until] }) {
  /** @type {Map<string, Timed[]>} */
  const own = new Map();
  for (const each of moments) own.set(each.item.hit.source_id, [...(own.get(each.item.hit.source_id) ?? []), each]);
  const activity = new Map((counts?.sources ?? []).map((each) => [each.id, each.keyframes]));
  return sources
    .filter((each) => each.keyframes && (clock === "source" || each.start !== null))
    .map((source) => {
      const all = own.get(source.id) ?? [];
      const shown = all.filter(({ time }) => time >= from && time <= until);
      return {
        source, total: all.length, counts: activity.get(source.id) ?? [],
        moments: shown.map(({ item, time }) => ({ item, at: (time - from) / (until - from) })),
      };
    })
    .sort((a, b) => b.total - a.total || a.source.name.localeCompare(b.source.name, "en"));
}
