/** Where: a still of a source, the box that is drawn on it, and what the box means. */

import { frames, stillUrl } from "../core/api.js";
import { fill, h, say, set, show } from "../core/dom.js";
import { when } from "../core/format.js";
import { boundsOf, cornersOf } from "../core/polygon.js";
import { words } from "../words.js";
import { Drawing } from "./drawing.js";
import { ZoneDrawing } from "./zone_drawing.js";

const MODES = /** @type {("anywhere"|"zone"|"here")[]} */ (["anywhere", "zone", "here"]);

/** @param {import("../core/store.js").Store} store @param {import("../lake.js").Lake} lake */
export function makeWhere(store, lake) {
  const choose = h("select", { class: "quiet", "aria-label": words.stillOf, onchange: () => pick(choose.value) });
  const image = h("img", { alt: "", draggable: "false" });
  const hint = h("p", { class: "hint" }, words.drawHint);
  const ground = h(
    "div",
    { class: "canvas", tabindex: 0, role: "application", "aria-label": words.canvas, "aria-describedby": "canvas-help" },
    image, hint,
  );
  const time = h("span", { class: "still-time" });
  const before = h("button", { type: "button", title: words.stillBefore, "aria-label": words.stillBefore, onclick: () => step(-1) }, "‹");
  const after = h("button", { type: "button", title: words.stillAfter, "aria-label": words.stillAfter, onclick: () => step(1) }, "›");
  const stepper = h("div", { class: "stepper" }, before, time, after);
  const modes = MODES.map((mode) =>
    h("label", {}, h("input", { type: "radio", name: "mode", value: mode, onchange: () => chooseMode(mode) }), h("span", {}, words[mode])),
  );
  const drawing = new Drawing(ground, {
    changed: (box, how) => store.change({ box, ...(box ? { mode: "here" } : { mode: "anywhere" }) }, how),
  });
  const zones = new ZoneDrawing(ground, { changed: (zone, how) => store.change({ zone, mode: "zone" }, how) });
  const element = h(
    "section",
    { class: "where", "aria-label": words.where },
    h("div", { class: "line" }, h("h2", {}, words.where), choose),
    h("div", { class: "picture" }, ground, stepper),
    h("p", { id: "canvas-help", class: "unseen" }, words.canvasHelp),
    h("fieldset", { class: "segments" }, h("legend", { class: "unseen" }, words.where), ...modes),
  );

  let listed = { source: "", generation: -1, frames: /** @type {any[]} */ ([]) };
  // the source whose still is shown
  let source = /** @type {string|null} */ (null);

  /** A mode takes what was drawn in the other. @param {import("../core/question.js").Question["mode"]} mode */
  function chooseMode(mode) {
    const { box, zone } = store.question;
    if (mode === "zone" && !zone && box) store.change({ mode, zone: cornersOf(box) });
    else if (mode === "here" && !box && zone) store.change({ mode, box: boundsOf(zone) });
    else store.change({ mode });
  }

  /** @param {string} id */
  function pick(id) {
    source = id;
    store.change({ still: null });
  }

  /** The keyframes of the source, which are read when one steps. @param {number} by */
  async function step(by) {
    const known = lake.source(source);
    if (!known) return;
    if (listed.source !== known.id || listed.generation !== lake.generation) {
      listed = { source: known.id, generation: lake.generation, frames: await frames({ source: known.id, limit: 2000 }) };
    }
    const current = store.question.still ?? known.newest_frame;
    const at = listed.frames.findIndex((each) => each.id === current);
    const next = listed.frames[(at < 0 ? listed.frames.length : at) + by];
    if (next) store.change({ still: next.id });
  }

  async function draw() {
    const shown = lake.sources.filter((each) => each.newest_frame);
    const { question } = store;
    if (question.still && lake.frameSource(question.still)) source = lake.frameSource(question.still);
    if (!lake.source(source)) source = (shown.find((each) => question.sources.includes(each.id)) ?? shown[0])?.id ?? null;
    if (choose.dataset.made !== String(lake.made)) {
      choose.dataset.made = String(lake.made);
      fill(choose, ...shown.map((each) => h("option", { value: each.id }, each.name)));
    }
    choose.value = source ?? "";
    show(choose, shown.length > 0);
    const known = lake.source(source);
    const frame = still();
    if (known) ground.style.aspectRatio = `${known.width_px ?? 4} / ${known.height_px ?? 3}`;
    if (frame) set(image, "src", stillUrl(frame, { width: 720 }));
    show(image, frame !== null);
    const moment = listed.frames.find((each) => each.id === frame);
    say(time, moment ? when(moment) : "");
    show(stepper, (known?.keyframes ?? 0) > 1);
    const zoned = question.mode === "zone";
    drawing.enabled = !zoned;
    zones.enabled = zoned;
    if (!drawing.dragging) drawing.show(zoned ? null : question.box, { faded: question.mode === "anywhere" });
    if (!zones.dragging) zones.show(question.zone);
    say(hint, zoned ? words.zoneHint : words.drawHint);
    show(hint, frame !== null && (zoned ? question.zone : question.box) === null);
    for (const label of modes) {
      const input = label.firstChild;
      input.checked = input.value === question.mode;
      input.disabled = input.value === "here" && !question.box && !question.zone;
    }
    if (question.still && !lake.frameSource(question.still)) await lake.learnFrame(question.still);
  }

  /** The keyframe on which one draws. */
  const still = () => store.question.still ?? lake.source(source)?.newest_frame ?? null;

  return { element, draw, still, giveUp: () => drawing.giveUp() || zones.giveUp(), focus: () => ground.focus() };
}
