/** Arranges hits in rows: the first eight in their order, the rest by source and visit. */

import { words } from "../words.js";

export const FIRST = 8;
const ROW = 8;
const GAP = 12, TILE_GAP = 8, FOOT = 36, HEAD = 40;

/** @param {{frame_id: string, box: number[]}} hit */
export const keyOf = (hit) => `${hit.frame_id}.${hit.box.map((side) => Math.round(side * 1e4) / 1e4).join(",")}`;

/** @typedef {Pick<Api.SearchAnswer, "hits"|"groups">} Answered */
/** @typedef {import("./card.js").Item} Item */

/**
 * @param {Answered} answer
 * @param {"none"|"source"|"visit"} group
 */
export function arranged(answer, group) {
  const visitOf = new Map();
  for (const each of answer.groups) each.ranks.forEach((rank, at) => visitOf.set(rank, { group: each, at: at + 1, count: each.ranks.length }));
  const items = answer.hits.map((hit, at) => ({ key: keyOf(hit), hit, at, visit: visitOf.get(hit.rank) ?? null, tile: false }));
  if (group === "none" || items.length <= FIRST) return { first: items, sections: [], items };
  const bySource = new Map();
  for (const item of items.slice(FIRST)) {
    const known = bySource.get(item.hit.source_id) ?? { name: item.hit.source, moments: 0, items: [], visits: new Map() };
    bySource.set(item.hit.source_id, known);
    known.moments += 1;
    const visit = item.visit?.group ?? item;
    known.visits.set(visit, [...(known.visits.get(visit) ?? []), item]);
    known.items.push({ ...item, tile: true, visit: null });
  }
  const sections = [...bySource.values()].map((each) => ({
    name: each.name,
    line: group === "visit" ? words.groupLine(each.moments, each.visits.size) : words.groupMoments(each.moments),
    items: group === "visit" ? ofVisits(each.visits) : each.items,
  }));
  return { first: items.slice(0, FIRST), sections, items };
}

/** Tiles of visits: at least the best moment of each, and as many more of each as fill a row. @param {Map<any, Item[]>} visits */
function ofVisits(visits) {
  const each = Math.max(1, Math.floor(ROW / visits.size));
  return [...visits.values()].flatMap((moments) =>
    moments.slice(0, each).map((item, at) => ({ ...item, tile: true, visit: at || moments.length <= each ? null : { at: 1, count: moments.length } })),
  );
}

/**
 * Where everything lies, in CSS pixels from the upper left corner of the grid.
 * @returns {{boxes: {item: Item, x: number, y: number, width: number, height: number, row: number}[],
 *   heads: {name: string, line: string, y: number}[], height: number, columns: number}}
 */
export function laidOut({ first, sections }, width) {
  const columns = width >= 840 ? 4 : width >= 560 ? 3 : 2;
  const gap = width < 560 ? 10 : GAP;
  const side = (width - gap * (columns - 1)) / columns, height = (side * 3) / 4 + FOOT;
  const boxes = [], heads = [];
  let y = 0, row = 0;
  const put = (items, per, each, tall, space) => {
    items.forEach((item, at) => {
      const column = at % per;
      if (at && !column) { y += tall + space; row += 1; }
      boxes.push({ item, x: column * (each + space), y, width: each, height: tall, row });
    });
    if (items.length) { y += tall + space; row += 1; }
  };
  put(first, columns, side, height, gap);
  const per = columns * 2, tile = (width - TILE_GAP * (per - 1)) / per;
  for (const section of sections) {
    heads.push({ name: section.name, line: section.line, y: y + 4 });
    y += HEAD;
    put(section.items, per, tile, (tile * 3) / 4, TILE_GAP);
    y += 4;
  }
  return { boxes, heads, height: y, columns };
}
