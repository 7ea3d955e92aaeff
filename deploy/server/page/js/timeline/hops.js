/** Where keys lead from the selected moment: to the one before or after in time, and to the lane above or below. */

/**
 * The moment before (-1) or after (1) in time; without a selection, the first one of what is shown.
 * @param {import("./rows.js").Timed[]} moments in order of time @param {string|null} selected
 * @param {import("./view.js").Span} span @param {-1|1} by
 */
export function besideInTime(moments, selected, [from, until], by) {
  const at = moments.findIndex(({ item }) => item.key === selected);
  if (at >= 0) return moments[at + by]?.item ?? null;
  const first = by > 0 ? moments.find(({ time }) => time >= from) ?? moments[0] : moments.findLast(({ time }) => time <= until) ?? moments[moments.length - 1];
  return first?.item ?? null;
}

/**
 * The moment of the lane above (-1) or below (1) that is nearest in time; undefined where nothing is selected.
 * @param {import("./rows.js").Row[]} rows @param {string|null} selected @param {-1|1} by
 */
export function besideInLanes(rows, selected, by) {
  const filled = rows.filter((row) => row.moments.length), own = filled.findIndex((row) => row.moments.some(({ item }) => item.key === selected));
  if (own < 0) return undefined;
  const at = filled[own].moments.find(({ item }) => item.key === selected)?.at ?? 0;
  const next = filled[own + by];
  return next ? next.moments.reduce((best, each) => (Math.abs(each.at - at) < Math.abs(best.at - at) ? each : best)).item : null;
}
