/** The search room: the question at the left, moments at the right. */

import { ApiError, exported } from "../core/api.js";
import { go } from "../core/places.js";
import { asks, judges, MOST_JUDGED, toAddress, tokenOf, toQuery } from "../core/question.js";
import { Asker } from "../core/asker.js";
import { h, perFrame, say, set, show } from "../core/dom.js";
import { words } from "../words.js";
import { save, toCsv, toJson } from "./export.js";
import { makeGrid } from "./grid.js";
import { makeLanes } from "./lanes.js";
import { report } from "./report.js";
import { makeResults } from "./results.js";
import { makeSliders } from "./sliders.js";
import { makeSources } from "./sources.js";
import { makeStates } from "./states.js";
import { TimeAxis } from "./time_axis.js";
import { makeWhen } from "./when.js";
import { makeWhere } from "./where.js";

/** @param {{store: import("../core/store.js").Store, lake: import("../lake.js").Lake, pictures: import("../core/pictures.js").Pictures, locked: () => void, answered: () => void}} given */
export function makeRoom({ store, lake, pictures, locked, answered }) {
  const axis = new TimeAxis(lake, () => draw());
  const states = makeStates(store, lake, { again: () => ask({ urgent: true }) });
  const grid = makeGrid({ store, lake, pictures, open: (key) => store.show(key), find, more: (key) => judge(key, "like"), less: (key) => judge(key, "unlike") });
  const lanes = makeLanes(store, axis, (item) => store.show(item.key));
  const results = makeResults(store, { grid, lanes, states });
  const where = makeWhere(store, lake), sliders = makeSliders(store, lake), when = makeWhen(store, axis), sources = makeSources(store, lake);
  const exporting = exportMenu();
  const filters = h("div", { class: "filters" }, sliders.weight, sliders.sure, when.element, sources.element);
  const chips = { time: filterChip(), sure: filterChip(), sources: filterChip() };
  const summary = h("div", { class: "summary" }, chips.time, chips.sure, chips.sources);
  const watching = h("button", { type: "button", class: "accent", "data-needs": "watch", onclick: () => go(`watches?new&${toAddress(store.question).slice(1)}`) }, words.saveAsWatch);
  const panel = h(
    "aside", { class: "panel", "aria-label": words.search },
    where.element, summary, filters,
    h("div", { class: "panel-foot" }, watching, exporting.element, h("button", { type: "button", class: "clear-all", onclick: () => store.clear() }, words.clear)),
  );
  const element = h("main", { class: "room" }, panel, results.element);

  /** @type {Api.SearchAnswer|null} */
  let answer = null;
  let tookMs = 0, error = /** @type {ApiError|null} */ (null), asked = "";
  const asker = new Asker({
    answered(next, about) {
      [answer, tookMs, error] = [next, about.tookMs, null];
      lake.noteFrames(next.hits);
      element.dataset.answer = String(about.number);
      grid.show(next);
      draw();
    },
    failed(caught) {
      if (caught.status === 401) return locked();
      if (caught.gone) {
        asked = "";
        lake.lost();
      } else error = caught;
      return draw();
    },
    busy: (since) => results.busy(since !== null),
  });

  /** Asks what is asked, unless it was. urgent: what is in the air is aborted. */
  function ask({ urgent, force = false }) {
    const { question } = store;
    if (!asks(question)) {
      asked = "";
      asker.stop();
      [answer, error] = [null, null];
      grid.show({ hits: [], groups: [] });
      return;
    }
    const query = toQuery(question, { confidence: lake.confidence !== false });
    const text = JSON.stringify(query);
    if (text === asked && !force && !error) return;
    asked = text;
    asker.ask(query, { urgent });
  }

  /** @param {import("../core/store.js").How} how */
  function changed(how) {
    grid.state.dragging = how === "drag";
    states.forget();
    ask({ urgent: how !== "drag" });
    if (how === "drag") return drawDragged();
    grid.arrange();
    draw();
  }

  /** While one drags, what is dragged is drawn once a frame, and moments move when their answer comes. */
  const drawDragged = perFrame(() => { grid.paint(); draw(); });

  function draw() {
    answered();
    axis.update();
    where.draw();
    sliders.draw();
    when.draw();
    sources.draw();
    results.draw(answer, tookMs, error);
    drawSummary();
    exporting.draw();
    watching.disabled = !asks(store.question) || judges(store.question);
    set(watching, "title", judges(store.question) ? words.saveJudged : watching.disabled ? words.saveNothing : null);
    say(watching, store.question.watch ? words.saveToWatch : words.saveAsWatch);
  }

  /** On a phone the filters are one line, which opens them. */
  function filterChip() {
    return h("button", { type: "button", class: "chip", "aria-expanded": "false", onclick: () => {
      const opened = element.classList.toggle("filters-open");
      for (const each of Object.values(chips)) set(each, "aria-expanded", String(opened));
    } });
  }

  function drawSummary() {
    const { question } = store;
    const range = axis.known ? axis.range(question) : null;
    say(chips.time, range ? axis.said(question) : words.whenAll);
    set(chips.time, "data-on", range !== null);
    say(chips.sure, question.sure ? `≥ ${words.sureShort(question.sure)}` : words.sure);
    set(chips.sure, "data-on", question.sure !== null);
    const searched = question.sources.length || lake.sources.filter((each) => each.keyframes).length;
    say(chips.sources, words.sourceCount(searched));
    set(chips.sources, "data-on", question.sources.length > 0);
  }

  function exportMenu() {
    const button = h("button", { type: "button", "aria-haspopup": "true", "aria-expanded": "false", onclick: () => toggle() }, words.export);
    const choose = (kind, text, make) => h("button", { type: "button", role: "menuitem", onclick: async () => {
      const { marked } = grid.state;
      const hits = grid.items.filter((each) => !marked.size || marked.has(each.key)).map((each) => each.hit);
      toggle(false);
      button.focus();
      results.busy(true); // a report reads a picture of each
      try {
        await exported({ format: kind, moments: hits.length, query: JSON.parse(asked || "{}") });
        save(kind, await make(hits));
      } catch (caught) {
        if (!(caught instanceof ApiError)) throw caught;
        if (caught.status === 401) return locked();
        states.refuse(caught.gone ? words.gone : caught.message);
        draw();
      } finally {
        results.busy(false);
      }
    } }, text);
    const asJson = (hits) => (answer ? toJson(answer, hits) : ""), asReport = (hits) => (answer ? report({ question: store.question, answer, hits, lake, still: where.still() }) : "");
    const menu = h("div", { class: "menu", role: "menu", "aria-label": words.export, hidden: true }, choose("csv", words.exportCsv, (hits) => toCsv(hits)), choose("json", words.exportJson, asJson), choose("html", words.exportHtml, asReport));
    const box = h("div", { class: "export" }, button, menu);
    function toggle(opened = menu.hidden) {
      show(menu, opened);
      set(button, "aria-expanded", String(opened));
      if (opened) menu.firstChild.focus();
    }
    box.addEventListener("focusout", (event) => { if (!box.contains(event.relatedTarget)) toggle(false); });
    return {
      element: box,
      close: () => !menu.hidden && (toggle(false), button.focus(), true),
      draw() {
        button.disabled = !answer?.hits.length;
        set(button, "title", button.disabled ? words.exportNothing : null);
        say(button, grid.state.marked.size ? words.exportSome(grid.state.marked.size) : words.export);
      },
    };
  }

  /** Looks for what a moment shows, elsewhere. @param {string} key */
  function find(key) {
    const item = grid.find(key);
    if (item) findRegion(item.hit.frame_id, item.hit.box);
  }

  /**
   * @param {string} frame @param {any} roi @param {import("../choosing/chooser.js").Pick|null} [pick] what chose the region in it
   * @param {Partial<import("../core/question.js").Question>} [within] further conditions
   */
  function findRegion(frame, roi, pick = null, within = {}) {
    store.change({ text: "", mode: "anywhere", sure: null, like: [], unlike: [], example: { kind: "frame", id: frame, roi, elsewhere: true, pick }, ...within });
    scrollUp();
  }

  /** Judges a moment: more or less like it. The same again takes it back. @param {"like"|"unlike"} how */
  function judge(key, how) {
    const item = grid.find(key);
    if (!item) return;
    const token = tokenOf(item.hit), { question } = store, other = how === "like" ? "unlike" : "like";
    const without = (list) => list.filter((each) => each !== token);
    const kept = question[how].includes(token) ? without(question[how]) : [...question[how], token].slice(-MOST_JUDGED);
    store.change({ [how]: kept, [other]: without(question[other]) });
    scrollUp();
  }

  function scrollUp() {
    element.querySelector(".scroll").scrollTop = 0;
  }

  let lastMark = -1;
  /** Selects a moment for export; `range`: all from the one before. @param {boolean} range */
  function mark(range) {
    const item = grid.selected;
    if (!item) return;
    const { marked } = grid.state;
    if (range && lastMark >= 0) {
      for (const each of grid.items.slice(Math.min(lastMark, item.at), Math.max(lastMark, item.at) + 1)) marked.add(each.key);
    } else if (!marked.delete(item.key)) marked.add(item.key);
    lastMark = item.at;
    grid.paint();
    exporting.draw();
  }

  return {
    element, grid, results, where, changed, draw, findRegion, find, judge, mark, states, ask,
    /** One layer back. */
    back: () => exporting.close() || where.giveUp() || (grid.state.marked.size ? (grid.state.marked.clear(), grid.paint(), exporting.draw(), true) : false),
    get answer() { return answer; },
    get error() { return error; },
  };
}
