/** The timeline: a lane for each source, with its activity and the moments of the question, over any span of time. */

import * as api from "../core/api.js";
import { h, perFrame, say, set, show } from "../core/dom.js";
import { toMoment, toNumber } from "../core/format.js";
import { makeGuard } from "../core/guard.js";
import { latest } from "../core/latest.js";
import { placeNow, TIMELINE } from "../core/places.js";
import { asks } from "../core/question.js";
import { words } from "../words.js";
import { TimeAxis } from "../search/time_axis.js";
import { besideInLanes, besideInTime } from "./hops.js";
import { makeLanes } from "./lanes.js";
import { makeOverview } from "./overview.js";
import { makePreview } from "./preview.js";
import { rowsOf, timed } from "./rows.js";
import { makeRuler } from "./ruler.js";
import { clockOf, panned, spanOf, textOf, timeOf, within, zoomed } from "./view.js";

const BINS = 140;
const STEP = 0.2; // of the view, by a key
const ZOOM = 1.6;

/**
 * @typedef {import("../search/card.js").Item} Item
 * @typedef {import("./view.js").Span} Span
 * @typedef {"utc"|"source"} Clock
 */

/**
 * @param {{store: import("../core/store.js").Store, lake: import("../lake.js").Lake, pictures: import("../core/pictures.js").Pictures,
 *   room: ReturnType<typeof import("../search/room.js").makeRoom>, locked: () => void}} given
 */
export function makeTimeline({ store, lake, pictures, room, locked }) {
  const axis = new TimeAxis(lake, () => draw());
  const lanes = makeLanes({ pictures, lake, open: (key) => store.show(key), look, hover, pan, zoom, point });
  const preview = makePreview({ lake, open: (key) => store.show(key) }), ruler = makeRuler();
  const overview = makeOverview(axis, (chosen) => move(chosen && within(chosen, whole())));
  const head = makeHead({
    clock: (name) => { axis.clock = name; store.look(null); axis.update(); },
    limit: () => store.change(limited() ? { since: null, until: null } : bounds()),
    zoom: (factor) => zoom(factor, 0.5),
    all: () => move(null),
  });
  const note = h("p", { class: "notice", role: "status", hidden: true });
  const empty = h("div", { class: "empty", hidden: true }, h("h2", {}, words.noTime), h("p", {}, words.noTimeText));
  const body = h("div", { class: "timeline-body" }, h("div", { class: "strip-of-time" }, overview.element), ruler.element, lanes.element, preview.element);
  const element = h("main", { class: "timeline-room", hidden: true, tabindex: -1 }, head.element, note, empty, body);
  for (const each of [overview.element, ruler.element]) each.addEventListener("wheel", lanes.wheel(true), { passive: false });
  new ResizeObserver(() => draw()).observe(lanes.element);

  /** The counts of the part that is shown, which may be of the part that was shown before. */
  let counts = /** @type {Api.ActivityAnswer|null} */ (null), asked = "";
  let selected = /** @type {string|null} */ (null);
  const guarded = makeGuard({ lake, locked, refused: () => {} });

  const whole = () => /** @type {Span} */ ([axis.first, axis.first + axis.spanS]);
  const clock = () => axis.counts.clock;
  const span = () => within(spanOf(store.view, clock()) ?? whole(), whole());
  const limited = () => store.question.since !== null || store.question.until !== null;
  const bounds = () => ({ since: toMoment(span()[0], clock()), until: toMoment(span()[1], clock()) });
  const moments = () => timed(room.answer ? room.grid.items : [], clock());
  /** @param {import("./rows.js").Timed[]} shown */
  const rows = (shown) => rowsOf({ sources: lake.sources, moments: shown, counts, clock: clock(), span: span() });

  /** Reads the counts of the part that is shown. */
  const read = latest(async () => {
    const [from, until] = span(), name = clock(), key = `${from} ${until} ${name} ${lake.generation}`;
    if (key === asked) return;
    asked = key;
    // the last keyframe is within the last step
    const given = { bins: BINS, clock: name, since: toMoment(from, name), until: toMoment(until + 0.001, name) };
    if (await guarded(async () => { counts = await api.activity(given); })) draw();
    else asked = "";
  });

  /** Shows another part of time; null: all. @param {Span|null} next */
  function move(next) {
    if (!axis.known) return;
    store.look(next && (next[0] > whole()[0] || next[1] < whole()[1]) ? textOf(next, clock()) : null);
    redraw();
  }
  /** @param {number} by fraction of the view */
  function pan(by) { if (axis.known) move(panned(span(), by, whole())); }
  /** @param {number} factor @param {number} at fraction of the view that stays where it is */
  function zoom(factor, at) { if (axis.known) move(zoomed(span(), factor, at, whole())); }

  /** @param {Item} item */
  function hover(item) {
    preview.moment(item, lake.source(item.hit.source_id) ?? { id: item.hit.source_id, name: item.hit.source });
  }

  /** A pointer is over a lane, or pressed on it. @param {Api.SourceAnswer} source @param {number} at @param {Item|null} item @param {boolean} press */
  function point(source, at, item, press) {
    if (item) return press ? store.show(item.key) : hover(item);
    const [from, until] = span();
    const since = toMoment(from + at * (until - from), clock());
    return press ? openAt(source, since) : preview.at(source, since);
  }

  /** Opens the first keyframe of a source that is shown. @param {Api.SourceAnswer} source */
  function look(source) { openAt(source, toMoment(span()[0], clock())); }

  /** @param {Api.SourceAnswer} source @param {string|number} since */
  function openAt(source, since) {
    guarded(async () => {
      const [found] = await api.frames({ source: source.id, since, limit: 1 });
      if (found) store.show(found.id);
      else preview.at(source, since);
    });
  }

  function draw() {
    if (element.hidden) return;
    if (clockOf(store.view) !== null) axis.clock = clockOf(store.view);
    axis.update();
    say(note, lake.away ? words.gone : room.error?.message ?? "");
    set(note, "class", lake.away ? "notice gone" : "notice bad");
    show(note, note.textContent !== "");
    show(empty, lake.status !== null && !lake.sources.some((each) => each.keyframes));
    show(body, axis.known);
    show(head.element, axis.known);
    if (!axis.known) return;
    read(null);
    const shown = span(), found = moments(), lists = rows(found);
    if (!found.some(({ item }) => item.key === selected)) selected = null;
    const asking = asks(store.question);
    head.draw({ rows: lists, moments: found.length, answered: asking && room.answer !== null, asking, limited: limited(), all: store.view === null, clock: clock(), clocks: mixed() });
    preview.hint(asking ? words.timelineKeys : words.timelineAsk);
    overview.draw(store.view === null ? null : shown);
    ruler.draw(shown, clock(), lanes.width);
    drawLanes(lists, shown);
  }
  const redraw = perFrame(draw);

  /** Whether some sources have the time of the clock, and others have none. */
  function mixed() {
    const filled = lake.sources.filter((each) => each.keyframes);
    return filled.some((each) => each.start !== null) && filled.some((each) => each.start === null);
  }

  /** @param {import("./rows.js").Row[]} lists @param {Span} shown */
  function drawLanes(lists, [from, until]) {
    const of = counts?.clock === clock() ? [toNumber(counts.since), toNumber(counts.until)] : [from, until];
    const shift = /** @type {Span} */ (of.map((end) => (end - from) / (until - from)));
    const most = Math.max(1, ...lists.flatMap((row) => row.counts)) * 1.15;
    const items = lists.flatMap((row) => row.moments.map(({ item }) => item));
    const best = items.reduce((one, each) => (one === null || each.at < one.at ? each : one), /** @type {Item|null} */ (null));
    const tabbable = items.some(({ key }) => key === selected) ? selected : best?.key ?? null;
    lanes.draw({ rows: lists, most, shift, selected, tabbable });
  }

  /** Selects a moment of this clock, and shows its part of time. @param {Item} item */
  function select(item) {
    const time = timeOf(item.hit, clock()), [from, until] = span();
    if (time === null) return;
    selected = item.key;
    if (time < from || time > until) store.look(textOf(within([time - (until - from) / 2, time + (until - from) / 2], whole()), clock()));
    draw();
    lanes.focus(item.key);
    hover(item);
  }

  /** The moment before or after, in time. @param {-1|1} by */
  function hop(by) {
    const next = besideInTime(moments(), selected, span(), by);
    if (next) select(next);
  }

  /** The moment of the lane above or below that is nearest in time. @param {-1|1} by */
  function climb(by) {
    const next = besideInLanes(rows(moments()), selected, by);
    if (next) select(next);
    else if (next === undefined) hop(1);
  }

  /** Zooms about what is selected. @param {number} factor */
  function zoomHere(factor) {
    const item = selected === null ? null : room.grid.find(selected), time = item && timeOf(item.hit, clock()), [from, until] = span();
    zoom(factor, time === null || time < from || time > until ? 0.5 : (time - from) / (until - from));
  }

  /** @type {Record<string, () => void>} */
  const keys = {
    j: () => hop(-1), l: () => hop(1), ArrowUp: () => climb(-1), ArrowDown: () => climb(1), ArrowLeft: () => pan(-STEP), ArrowRight: () => pan(STEP),
    "+": () => zoomHere(1 / ZOOM), "-": () => zoomHere(ZOOM), 0: () => move(null),
    Enter: () => { if (selected) store.show(selected); }, f: () => { if (selected) room.find(selected); },
  };

  return {
    element, draw,
    enter() {
      const before = element.hidden;
      show(element, placeNow() === TIMELINE);
      if (before && !element.hidden) draw();
    },
    /** Selects the moment that was open. @param {string} key */
    ring(key) {
      const item = room.grid.find(key);
      if (item && axis.known) select(item);
    },
    /** @param {string} name @returns {boolean} whether the key has a meaning here */
    key(name) {
      if (!axis.known || !(name in keys)) return false;
      keys[name]();
      return true;
    },
  };
}

/**
 * What stands above the lanes: how many moments there are, and the controls of the part that is shown.
 * @param {{clock: (name: Clock) => void, limit: () => void, zoom: (factor: number) => void, all: () => void}} calls
 *   limit: searches only the part of time that is shown, or again at any time
 */
function makeHead(calls) {
  const count = h("b", {}), about = h("span", {});
  const options = Object.entries(words.clocks).map(([value, text]) => h("option", { value }, text));
  const clocks = h("select", { class: "button", "aria-label": words.clock, onchange: () => calls.clock(clocks.value) }, ...options);
  const here = h("button", { type: "button", onclick: calls.limit });
  /** @param {string} text @param {string} label @param {number} factor */
  const tool = (text, label, factor) => h("button", { type: "button", title: label, "aria-label": label, onclick: () => calls.zoom(factor) }, text);
  const all = h("button", { type: "button", title: words.wholeTimeTitle, onclick: calls.all }, words.wholeTime);
  const element = h(
    "div", { class: "timeline-head" },
    h("h2", { class: "count", "aria-live": "polite" }, count, about),
    h("div", { class: "choices" }, clocks, here, tool("\u2212", words.zoomOut, ZOOM), tool("+", words.zoomIn, 1 / ZOOM), all),
  );

  /**
   * @param {{rows: import("./rows.js").Row[], moments: number, answered: boolean, asking: boolean, limited: boolean, all: boolean, clock: Clock, clocks: boolean}} shown
   *   all: whether all of time is shown. clocks: whether there are two to choose from
   */
  function draw({ rows, moments, answered, asking, limited, all: whole, clock, clocks: two }) {
    const visible = rows.reduce((sum, row) => sum + row.moments.length, 0);
    say(count, answered ? words.moments(moments, false) : words.sourceCount(rows.length));
    say(about, answered ? words.ofSources(rows.filter((row) => row.total).length, visible < moments ? visible : null) : "");
    show(clocks, two);
    clocks.value = clock;
    say(here, limited ? words.searchAnyTime : words.searchHere);
    show(here, asking);
    all.disabled = whole;
  }

  return { element, draw };
}
