/** The picture of a question at full size: a part of it is pointed out, boxed or named, and then looked for. */

import { pictureUrl, stillUrl } from "../core/api.js";
import { h, say, set, show } from "../core/dom.js";
import { Drawing } from "../search/drawing.js";
import { words } from "../words.js";
import { Chooser } from "./chooser.js";
import { makeMaskLayer } from "./mask_layer.js";
import { makeNaming } from "./naming.js";

/** @param {{store: import("../core/store.js").Store}} given */
export function makePicker({ store }) {
  let example = /** @type {any} */ (null);
  const image = h("img", { alt: "", draggable: "false", onload: () => fit() });
  const ground = h("div", { class: "picker-ground", tabindex: 0, role: "application", "aria-label": words.stage, "aria-describedby": "canvas-help" });
  const layer = makeMaskLayer();
  const frame = h("div", { class: "picker-frame" }, image, layer.element, ground);
  const stage = h("div", { class: "picker-stage" }, frame);
  const said = h("p", { class: "muted", role: "status" });
  const naming = makeNaming((text) => chooser.text(text));
  const marked = h("button", { type: "button", class: "accent", onclick: () => use(true) }, words.findMarked);
  const boxed = h("button", { type: "button", onclick: () => use(false) }, words.findDrawn);
  const whole = h("button", { type: "button", onclick: () => finish({ roi: null, pick: null }) }, words.findWhole);
  const element = h(
    "dialog", { class: "picker", "aria-labelledby": "picker-title" },
    h("div", { class: "line" }, h("h2", { id: "picker-title" }, words.pickTitle), h("button", { type: "button", onclick: () => element.close() }, "Esc ×")),
    stage, said,
    h("div", { class: "picker-foot" }, naming.element, h("div", { class: "choices" }, marked, boxed, whole)),
  );
  const drawing = new Drawing(ground, {
    changed: (box, how) => (box ? chooser.box(box, how) : chooser.clear()),
    clicked: (at, event) => chooser.point(at, event),
  });
  const chooser = new Chooser({ picture: () => example && { [example.kind]: example.id }, changed: draw, said: (sentence) => say(said, sentence) });
  new ResizeObserver(fit).observe(stage);

  function fit() {
    const { naturalWidth, naturalHeight } = image;
    if (!naturalWidth || !stage.clientWidth) return;
    const shape = naturalWidth / naturalHeight, width = Math.min(stage.clientWidth, stage.clientHeight * shape);
    frame.style.width = `${width}px`;
    frame.style.height = `${width / shape}px`;
  }

  function draw() {
    const { pick, region } = chooser;
    if (!drawing.dragging) drawing.show(pick?.box ?? null);
    layer.draw(chooser);
    marked.disabled = region === null;
    show(boxed, Boolean(pick?.box));
  }

  /** @param {boolean} region whether the region alone is looked for, rather than all that is in the box */
  function use(region) {
    const { pick, region: found } = chooser;
    if (region && pick && found) finish({ roi: found.box, pick });
    else if (pick?.box) finish({ roi: pick.box, pick: null });
  }

  /** @param {Partial<import("../core/question.js").Example>} part */
  function finish(part) {
    element.close();
    store.change({ example: { ...example, ...part } });
  }

  return {
    element,
    /** @param {import("../core/question.js").Example} given */
    open(given) {
      example = given;
      chooser.clear();
      set(image, "src", given.kind === "image" ? pictureUrl(given.id, 1280) : stillUrl(given.id, { width: 1280 }));
      naming.clear();
      say(said, words.pickHint);
      show(whole, given.kind === "image" || given.roi !== null);
      draw();
      element.showModal();
      ground.focus();
    },
  };
}
