/** The timeline: a lane for each source, with its activity and the moments of the question, over any span of time. */

import * as api from "../core/api.js";
import { h, perFrame, say, set, show } from "../core/dom.js";
import { toMoment, toNumber } from "../core/format.js";
import { latest } from "../core/latest.js";
import { placeNow, TIMELINE } from "../core/places.js";
import { asks } from "../core/question.js";
import { words } from "../words.js";
import { makeBrush } from "../search/brush.js";
import { TimeAxis } from "../search/time_axis.js";
import { makeLanes } from "./lanes.js";
import { makePreview } from "./preview.js";
import { makeRuler } from "./ruler.js";
import { clockOf, panned, spanOf, textOf, timeOf, within, zoomed } from "./view.js";

const BINS = 140;
const STEP = 0.2; // of the view, by a key
const ZOOM = 1.6;

/** @param {{store: import("../core/store.js").Store, lake: import("../lake.js").Lake, pictures: any, room: any, locked: () => void}} given */
export function makeTimeline({ store, lake, pictures, room, locked }) {
  const axis = new TimeAxis(lake, () => draw());
  const lanes = makeLanes({ pictures, lake, open: (key) => store.show(key), look, hover, pan, zoom, point });
  const preview = makePreview({ lake, open: (key) => store.show(key) }), ruler = makeRuler();
  const count = h("b", {}), about = h("span", {});
  const clocks = h("select", { class: "button", "aria-label": words.clock, onchange: () => chooseClock(clocks.value) }, ...Object.entries(words.clocks).map(([value, text]) => h("option", { value }, text)));
  const here = h("button", { type: "button", onclick: () => store.change(limited() ? { since: null, until: null } : bounds()) });
  const tool = (text, label, act) => h("button", { type: "button", title: label, "aria-label": label, onclick: act }, text);
  const all = h("button", { type: "button", title: words.wholeTimeTitle, onclick: () => move(null) }, words.wholeTime);
  const head = h("div", { class: "timeline-head" }, h("h2", { class: "count", "aria-live": "polite" }, count, about), h("div", { class: "choices" }, clocks, here, tool("\u2212", words.zoomOut, () => zoom(ZOOM, 0.5)), tool("+", words.zoomIn, () => zoom(1 / ZOOM, 0.5)), all));
  const bars = h("svg:svg", { class: "bars", preserveAspectRatio: "none", "aria-hidden": "true" }), chart = h("div", { class: "overview" }, bars);
  const brush = makeBrush(chart, { labels: [words.viewFrom, words.viewUntil], changed: (range) => move(range ? within(range.map((each) => axis.first + each * axis.spanS), whole()) : null) });
  const note = h("p", { class: "notice", role: "status", hidden: true });
  const empty = h("div", { class: "empty", hidden: true }, h("h2", {}, words.noTime), h("p", {}, words.noTimeText));
  const body = h("div", { class: "timeline-body" }, h("div", { class: "strip-of-time" }, chart), ruler.element, lanes.element, preview.element);
  const element = h("main", { class: "timeline-room", hidden: true, tabindex: -1 }, head, note, empty, body);
  for (const each of [chart, ruler.element]) each.addEventListener("wheel", lanes.wheel(true), { passive: false });
  new ResizeObserver(() => draw()).observe(lanes.element);

  /** The counts of the part that is shown, which may be of the part that was shown before. */
  let counts = /** @type {any} */ (null), asked = "", selected = /** @type {string|null} */ (null), overviewKey = "";

  /** @returns {[number, number]} */
  const whole = () => [axis.first, axis.first + axis.spanS];
  const clock = () => axis.counts.clock;
  const span = () => within(spanOf(store.view, clock()) ?? whole(), whole());
  const bounds = () => { const [from, until] = span().map((each) => toMoment(each, clock())); return { since: from, until }; };
  const limited = () => store.question.since !== null || store.question.until !== null;

  const read = latest(async (_given) => {
    const [from, until] = span(), name = clock(), key = `${from} ${until} ${name} ${lake.generation}`;
    if (key === asked) return;
    asked = key;
    try {
      // the last keyframe is within the last step
      counts = await api.activity({ bins: BINS, clock: name, since: toMoment(from, name), until: toMoment(until + 0.001, name) });
    } catch (error) {
      if (!(error instanceof api.ApiError)) throw error;
      asked = "";
      if (error.status === 401) locked();
      else if (error.gone) lake.lost();
      return;
    }
    draw();
  });

  /** Shows another part of time; null: all. @param {[number, number]|null} next */
  function move(next) {
    if (!axis.known) return;
    store.look(next && (next[0] > whole()[0] || next[1] < whole()[1]) ? textOf(next, clock()) : null);
    redraw();
  }
  function pan(by) { if (axis.known) move(panned(span(), by, whole())); }
  function zoom(factor, at) { if (axis.known) move(zoomed(span(), factor, at, whole())); }

  function chooseClock(name) {
    axis.clock = name;
    store.look(null);
    axis.update();
  }

  const sourceOf = (item) => lake.source(item.hit.source_id) ?? { id: item.hit.source_id, name: item.hit.source };
  function hover(item) { preview.moment(item, sourceOf(item)); }

  /** A pointer is over a lane, or pressed on it. */
  function point(source, at, item, press) {
    if (item) return press ? store.show(item.key) : hover(item);
    const [from, until] = span();
    const since = toMoment(from + at * (until - from), clock());
    return press ? openAt(source, since) : preview.at(source, since);
  }

  /** Opens the first keyframe of a source that is shown. */
  function look(source) { return openAt(source, toMoment(span()[0], clock())); }

  async function openAt(source, since) {
    try {
      const [found] = await api.frames({ source: source.id, since, limit: 1 });
      if (found) store.show(found.id);
      else preview.at(source, since);
    } catch (error) {
      if (!(error instanceof api.ApiError)) throw error;
      if (error.status === 401) locked();
      else if (error.gone) lake.lost();
    }
  }

  /** Moments of the answer on this clock, in order of time. */
  function timed() {
    const items = room.answer ? room.grid.items : [];
    return items.map((item) => ({ item, time: timeOf(item.hit, clock()) })).filter(({ time }) => time !== null).sort((a, b) => a.time - b.time || a.item.at - b.item.at);
  }

  /** Sources with keyframes on this clock, those with the most moments first. */
  function rows(moments, [from, until]) {
    const of = new Map();
    for (const each of moments) of.set(each.item.hit.source_id, [...(of.get(each.item.hit.source_id) ?? []), each]);
    const known = new Map((counts?.sources ?? []).map((each) => [each.id, each.keyframes]));
    const listed = lake.sources.filter((each) => each.keyframes && (clock() === "source" || each.start !== null));
    const total = (each) => of.get(each.id)?.length ?? 0;
    return [...listed].sort((a, b) => total(b) - total(a) || a.name.localeCompare(b.name, "en")).map((source) => ({
      source, total: total(source), counts: known.get(source.id) ?? [],
      moments: (of.get(source.id) ?? []).filter(({ time }) => time >= from && time <= until).map(({ item, time }) => ({ item, at: (time - from) / (until - from) })),
    }));
  }

  function draw() {
    if (element.hidden) return;
    if (store.view !== null && clockOf(store.view) !== null) axis.clock = clockOf(store.view);
    axis.update();
    say(note, lake.away ? words.gone : room.error?.message ?? "");
    set(note, "class", lake.away ? "notice gone" : "notice bad");
    show(note, note.textContent !== "");
    show(empty, lake.status !== null && !lake.sources.some((each) => each.keyframes));
    show(body, axis.known);
    show(head, axis.known);
    if (!axis.known) return;
    read(null);
    const shown = span(), length = shown[1] - shown[0], moments = timed(), lists = rows(moments, shown);
    const visible = lists.flatMap((row) => row.moments), asking = asks(store.question);
    if (!moments.some(({ item }) => item.key === selected)) selected = null;
    say(count, asking && room.answer ? words.moments(moments.length, false) : words.sourceCount(lists.length));
    say(about, asking && room.answer ? words.ofSources(lists.filter((row) => row.total).length, visible.length < moments.length ? visible.length : null) : "");
    const mixed = lake.sources.some((each) => each.keyframes && each.start !== null) && lake.sources.some((each) => each.keyframes && each.start === null);
    show(clocks, mixed);
    clocks.value = clock();
    say(here, limited() ? words.searchAnyTime : words.searchHere);
    show(here, asking);
    all.disabled = store.view === null;
    preview.hint(asking ? words.timelineKeys : words.timelineAsk);
    drawOverview(shown);
    ruler.draw(shown, clock(), lanes.width);
    const from = counts?.clock === clock() ? toNumber(counts.since) : shown[0], until = counts?.clock === clock() ? toNumber(counts.until) : shown[1];
    const most = Math.max(1, ...lists.flatMap((row) => row.counts)) * 1.15;
    const best = visible.reduce((one, each) => (one === null || each.item.at < one.at ? each.item : one), /** @type {any} */ (null));
    const tabbable = visible.some(({ item }) => item.key === selected) ? selected : best?.key ?? null;
    lanes.draw({ rows: lists, most, shift: [(from - shown[0]) / length, (until - shown[0]) / length], selected, tabbable });
  }
  const redraw = perFrame(draw);

  function drawOverview(shown) {
    const { keyframes } = axis.counts, key = `${axis.counts.since} ${keyframes.join()}`;
    if (key !== overviewKey) {
      overviewKey = key;
      const most = Math.max(1, ...keyframes);
      set(bars, "viewBox", `0 0 ${keyframes.length} 1`);
      bars.replaceChildren(...keyframes.map((each, at) => h("svg:rect", { x: at + 0.1, width: 0.8, y: 1 - each / most, height: each / most })));
    }
    brush.draw(store.view === null ? null : [(shown[0] - axis.first) / axis.spanS, (shown[1] - axis.first) / axis.spanS]);
  }

  /** Selects a moment, and shows its part of time. */
  function select(item) {
    selected = item.key;
    const time = /** @type {number} */ (timeOf(item.hit, clock())), [from, until] = span();
    if (time < from || time > until) store.look(textOf(within([time - (until - from) / 2, time + (until - from) / 2], whole()), clock()));
    draw();
    lanes.focus(item.key);
    hover(item);
  }

  /** The moment before or after, in time. */
  function hop(by) {
    const moments = timed();
    if (!moments.length) return true;
    const at = moments.findIndex(({ item }) => item.key === selected), [from, until] = span();
    const first = by > 0 ? moments.find(({ time }) => time >= from) ?? moments[0] : moments.findLast(({ time }) => time <= until) ?? moments[moments.length - 1];
    const next = at < 0 ? first : moments[at + by];
    if (next) select(next.item);
    return true;
  }

  /** The moment of the lane above or below that is nearest in time. */
  function climb(by) {
    const lists = rows(timed(), span()).filter((row) => row.moments.length), own = lists.findIndex((row) => row.moments.some(({ item }) => item.key === selected));
    if (own < 0) return hop(1);
    const at = lists[own].moments.find(({ item }) => item.key === selected)?.at ?? 0, next = lists[own + by];
    if (next) select(next.moments.reduce((best, each) => (Math.abs(each.at - at) < Math.abs(best.at - at) ? each : best)).item);
    return true;
  }

  /** Zooms about what is selected. */
  function zoomHere(factor) {
    const item = selected === null ? null : room.grid.find(selected), time = item && timeOf(item.hit, clock()), [from, until] = span();
    zoom(factor, time === null || time < from || time > until ? 0.5 : (time - from) / (until - from));
    return true;
  }

  const keys = {
    j: () => hop(-1), l: () => hop(1), ArrowUp: () => climb(-1), ArrowDown: () => climb(1),
    ArrowLeft: () => (pan(-STEP), true), ArrowRight: () => (pan(STEP), true),
    "+": () => zoomHere(1 / ZOOM), "-": () => zoomHere(ZOOM), 0: () => (move(null), true),
    Enter: () => (selected ? store.show(selected) : undefined), f: () => (selected ? room.find(selected) : undefined),
  };

  return {
    element, draw,
    enter() {
      const before = element.hidden;
      show(element, placeNow() === TIMELINE);
      if (before && !element.hidden) draw();
    },
    /** Selects the moment that was open. */
    ring(key) {
      const item = room.grid.find(key);
      if (item && axis.known && timeOf(item.hit, clock()) !== null) select(item);
    },
    /** @returns {boolean} whether the key has a meaning here */
    key(name) {
      if (!axis.known || !(name in keys)) return false;
      keys[name]();
      return true;
    },
  };
}
