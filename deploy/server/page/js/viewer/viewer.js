/** The viewer: a moment at full height over a room, its clip, and what else is there. */

import { ApiError, stillUrl } from "../core/api.js";
import { h, set, show, trapFocus } from "../core/dom.js";
import { seconds, clock } from "../core/format.js";
import { alike } from "../core/geometry.js";
import { widthFor } from "../core/pictures.js";
import { words } from "../words.js";
import { Chooser } from "../choosing/chooser.js";
import { makeMaskLayer } from "../choosing/mask_layer.js";
import { keyOf } from "../search/arrangement.js";
import { Drawing } from "../search/drawing.js";
import { makeFacts } from "./facts.js";
import { MODES, others, Overlay } from "./overlay.js";
import { makePlayer } from "./player.js";
import { around, FrameCache, makeStrip } from "./strip.js";

const JUMP_S = 5;
const STILL_PX = [640, 960, 1280, 1920, 2560];

/** @typedef {import("../core/geometry.js").Box} Box */

/** `FRAME.x0,y0,x1,y1` of an address. @param {string} open @returns {{id: string, box: Box|null}} */
function parsed(open) {
  const [id, sides] = [open.split(".")[0], open.slice(open.indexOf(".") + 1)];
  const box = open.includes(".") ? sides.split(",").map(Number) : null;
  return { id, box: box && box.length === 4 && box.every(Number.isFinite) ? /** @type {Box} */ (box) : null };
}

/** @param {{store: import("../core/store.js").Store, lake: import("../lake.js").Lake, pictures: import("../core/pictures.js").Pictures, room: any, closed: (key: string) => void}} given closed: the viewer was left for this moment */
export function makeViewer({ store, lake, pictures, room, closed }) {
  const cache = new FrameCache();
  const image = h("img", { alt: "", draggable: "false" });
  const ground = h("div", { class: "ground", tabindex: 0, role: "application", "aria-label": words.stage, "aria-describedby": "canvas-help" });
  const overlay = new Overlay(), layer = makeMaskLayer();
  const player = makePlayer({ moved, failed: (sentence) => facts.say(sentence), step, time: timeOf });
  const cutting = h("p", { class: "cutting-note", role: "status" });
  const picture = h("div", { class: "frame" }, image, player.video, overlay.element, layer.element, ground, cutting);
  const stage = h("div", { class: "stage" }, picture);
  const strip = makeStrip((id) => goTo(id));
  const facts = makeFacts({ close, find, marked, name: (text) => chooser.text(text), later, judge, still: useStill, boxes: nextMode });
  const element = h("section", { class: "viewer", role: "dialog", "aria-label": words.viewer, hidden: true }, h("div", { class: "watch" }, stage, player.controls, strip.element), facts.element);
  const drawing = new Drawing(ground, { changed: (box, how) => (box ? chooser.box(box, how) : chooser.clear()), clicked: (place, event) => chooser.point(place, event) });
  const chooser = new Chooser({ picture: () => frame && { frame: nearestFrame() }, changed: chosen, said: (sentence) => facts.say(sentence) });
  element.addEventListener("keydown", (event) => trapFocus(element, event));
  new ResizeObserver(fit).observe(stage);

  let frame = /** @type {Api.FrameAnswer|null} */ (null), box = /** @type {Box|null} */ (null), item = /** @type {import("../search/card.js").Item|null} */ (null);
  let mode = MODES[0], list = /** @type {Api.ListedFrame[]} */ ([]), details = /** @type {Map<string, Api.FrameAnswer>} */ (new Map()), shownBoxes = /** @type {{regions: Api.RegionAnswer[], box: Box|null}|null} */ (null), from = "", current = "";

  /** Follows the address. */
  async function follow() {
    const { open } = store;
    if (open === current) return;
    const before = current;
    current = open ?? "";
    if (!open) return hide();
    if (!before) {
      from = open;
      show(element, true);
      for (const each of document.querySelectorAll("main")) each.inert = true;
      document.body.classList.add("viewing");
      facts.focus();
    }
    const wanted = parsed(open);
    facts.say("");
    let found;
    try {
      found = await cache.get(wanted.id);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (current === open) {
        facts.say(error.gone ? words.gone : words.notFound);
        if (error.gone) { lake.lost(); current = before; }
      }
      return;
    }
    if (current !== open) return;
    [frame, box, item] = [found, wanted.box, room.grid.find(open)];
    chooser.clear();
    lake.noteFrames([found]);
    if (room.grid.find(open)) from = open;
    shownBoxes = { regions: found.regions, box };
    const width = widthFor(stage.clientWidth, STILL_PX);
    pictures.want(image, [stillUrl(found.id, { width: 640, from: "thumbnail" }), stillUrl(found.id, { width })]);
    player.open(found.id, found.clip_s, found.pts_s);
    if (found.clip_s === null) facts.say(words.noClip);
    else if (!before) player.focus(); // Space plays
    fit();
    draw();
    await surround(open, found);
  }

  /** Reads the keyframes around, and what is in them. @param {string} open @param {Api.FrameAnswer} shown */
  async function surround(open, shown) {
    try {
      if (!list.some((each) => each.id === shown.id) || list[0].id === shown.id || list[list.length - 1].id === shown.id) {
        const found = await around(shown);
        if (current !== open) return;
        list = found;
      }
      draw();
      player.mark(list.map((each) => each.pts_s));
      for (const each of list) {
        if (current !== open) return;
        details.set(each.id, await cache.get(each.id));
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return;
    }
    if (current === open) draw();
  }

  /** The track of the region that the moment shows. */
  function track() {
    const sides = box;
    return frame && sides ? frame.regions.find((each) => alike(each.box, sides))?.track ?? null : null;
  }

  function path() {
    const own = track();
    if (!own) return [];
    const seen = [];
    for (const each of list) {
      const region = details.get(each.id)?.regions.find((one) => one.track === own);
      if (region) seen.push([(region.box[0] + region.box[2]) / 2, (region.box[1] + region.box[3]) / 2]);
    }
    return seen;
  }

  function draw() {
    if (!frame) return;
    const shown = shownBoxes ?? { regions: [], box: null };
    overlay.draw({ ...shown, mode, path: path() });
    const total = room.answer?.hits.length ?? 0;
    facts.draw({ frame, box, item, total, drawn: drawn(), pick: chooser.pick, region: chooser.region, mode, also: labels(frame.regions) });
    strip.draw(list, nearest()?.id ?? frame.id);
  }

  /** `person × 3, car`: the labels of the other regions that are shown. @param {Api.RegionAnswer[]} regions */
  function labels(regions) {
    const counts = new Map();
    for (const each of others(regions, box, "some")) if (each.label) counts.set(each.label, (counts.get(each.label) ?? 0) + 1);
    return [...counts].map(([label, count]) => (count > 1 ? `${label} × ${count}` : label)).join(", ");
  }

  let at = /** @type {number|null} */ (null);
  function nearest() {
    if (at === null) return null;
    const until = at + 0.02;
    return list.findLast((each) => each.pts_s <= until) ?? list[0] ?? null;
  }

  /** The clip moved: boxes are those of the keyframe that is shown, or was last. @param {number|null} pts_s */
  function moved(pts_s) {
    at = pts_s;
    cutting.textContent = pts_s === null ? words.cutting : "";
    if (pts_s === null || !frame) return;
    const near = nearest(), own = track();
    const known = near ? (near.id === frame.id ? frame : details.get(near.id)) : null;
    const regions = known?.regions ?? [];
    const next = near?.id === frame.id ? box : own ? regions.find((each) => each.track === own)?.box ?? null : null;
    if (shownBoxes?.regions !== regions) {
      shownBoxes = { regions, box: next };
      draw();
    }
  }

  /** @param {number} pts_s */
  function timeOf(pts_s) {
    if (!frame) return "";
    return frame.time ? clock(new Date(Date.parse(frame.time) + (pts_s - frame.pts_s) * 1000).toISOString()) : seconds(pts_s);
  }

  /** Sizes the frame so that it fits on the stage. */
  function fit() {
    if (!frame || !stage.clientWidth) return;
    const shape = frame.width_px / frame.height_px, width = Math.min(stage.clientWidth, stage.clientHeight * shape);
    picture.style.width = `${width}px`;
    picture.style.height = `${width / shape}px`;
  }

  function reset() {
    at = null;
    cutting.textContent = "";
  }

  /** Shows another keyframe, with the same region where it is known. @param {string} id */
  async function goTo(id) {
    const own = track();
    const region = own ? (await cache.get(id)).regions.find((each) => each.track === own) : null;
    reset();
    store.show(region ? keyOf({ frame_id: id, box: region.box }) : id, true);
  }

  /** @param {number} by */
  function step(by) {
    const id = by < 0 ? frame?.previous : frame?.next;
    if (id) goTo(id);
  }

  /** The moment before or after in the order of the answer. @param {number} by */
  function hop(by) {
    const { items } = room.grid;
    const now = room.grid.find(current) ?? room.grid.find(from);
    const next = items[(now ? now.at : -by) + by];
    if (!next) return;
    reset();
    from = next.key;
    room.grid.select(next.key, { focus: false });
    store.show(next.key, true);
  }

  /** What was drawn: a box, or that of the region that was pointed out. */
  const drawn = () => chooser.pick?.box ?? chooser.region?.box ?? null;

  /** Shows what was pointed out. */
  function chosen() {
    if (!drawing.dragging) drawing.show(chooser.pick?.box ?? null);
    layer.draw(chooser);
    draw();
  }

  /** What chose the region, where that is looked for: of a box all is, unless one asks for what is marked in it. */
  const pickNow = () => (chooser.pick && !chooser.pick.box && chooser.region ? chooser.pick : null);

  function find() {
    const roi = drawn() ?? box;
    if (frame && roi) room.findRegion(nearestFrame(), roi, pickNow());
  }

  /** Looks for what is marked in the box. */
  function marked() {
    if (frame && chooser.region) room.findRegion(nearestFrame(), chooser.region.box, chooser.pick);
  }

  /** Looks for it from this moment on, in this source alone. */
  function later() {
    const roi = drawn() ?? box;
    if (!frame || !roi) return;
    const at = list.find((each) => each.id === nearestFrame()) ?? frame;
    room.findRegion(nearestFrame(), roi, pickNow(), { since: at.time ?? at.pts_s, until: null, sources: [frame.source_id], order: "oldest" });
  }

  /** Asks for more or less like the hit. @param {"like"|"unlike"} how */
  function judge(how) {
    if (item) room.judge(item.key, how);
  }

  /** The frame that a drawn box is about: where a clip moved, the keyframe that was shown last. */
  const nearestFrame = () => (chooser.pick ? nearest()?.id : null) ?? frame?.id ?? "";

  function useStill() {
    store.change({ still: nearest()?.id ?? frame?.id ?? null });
    room.where.focus();
  }

  function nextMode() {
    mode = MODES[(MODES.indexOf(mode) + 1) % MODES.length];
    draw();
  }

  function close() {
    store.show(null);
  }

  function hide() {
    player.close();
    reset();
    show(element, false);
    for (const each of document.querySelectorAll("main")) each.inert = false;
    document.body.classList.remove("viewing");
    frame = null;
    list = [];
    if (room.grid.find(from)) closed(from);
  }

  /** One layer back. */
  function back() {
    if (element.hidden) return false;
    if (drawing.giveUp()) return true;
    if (!chooser.clear()) close();
    return true;
  }

  const keys = {
    " ": () => player.toggle(), ArrowLeft: () => player.seekBy(-JUMP_S), ArrowRight: () => player.seekBy(JUMP_S),
    ",": () => step(-1), ".": () => step(1), j: () => hop(-1), l: () => hop(1), b: nextMode, f: find, p: () => facts.pin(),
    "+": () => judge("like"), "-": () => judge("unlike"),
  };

  return {
    element, follow, back,
    get open() { return !element.hidden; },
    /** Returns whether the key has a meaning here. */
    key(name) {
      const act = keys[name];
      if (act) act();
      return act !== undefined;
    },
  };
}
