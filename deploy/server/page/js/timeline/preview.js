/** What is at the pointer or selected: its frame, with the box of a moment, and when it was. */

import { ApiError, frames, stillUrl } from "../core/api.js";
import { h, say, set, show } from "../core/dom.js";
import { whenFully } from "../core/format.js";
import { area } from "../core/geometry.js";
import { latest } from "../core/latest.js";
import { words } from "../words.js";
import { place } from "../search/closeup.js";

/** @param {{lake: import("../lake.js").Lake, open: (key: string) => void}} given */
export function makePreview({ lake, open }) {
  let key = /** @type {string|null} */ (null), wanted = 0;
  const image = h("img", { alt: "", draggable: "false" }), box = h("span", { class: "answer" });
  const picture = h("div", { class: "preview-picture" }, image, box);
  const title = h("b", {}), about = h("span", { class: "muted" }), sure = h("span", { class: "muted" });
  const go = h("button", { type: "button", onclick: () => { if (key) open(key); } }, words.openPreview);
  const hint = h("p", { class: "muted" });
  const element = h("section", { class: "preview", "aria-label": words.preview }, picture, h("div", { class: "preview-facts" }, title, about, sure, go, hint));

  function draw(source, frame, hit) {
    const shape = lake.aspect(source.id);
    picture.style.aspectRatio = String(shape);
    show(picture, frame !== null);
    show(go, frame !== null);
    say(title, source.name);
    say(about, frame ? whenFully({ ...frame, source: source.name }) : words.noKeyframe);
    const certain = hit?.confidence ?? null;
    say(sure, hit ? [words.rank(hit.rank), certain === null ? null : words.sureLong(certain)].filter(Boolean).join(" · ") : "");
    show(box, hit !== null && area(hit.box) < 0.98);
    if (hit) place(box, hit.box);
    if (frame) set(image, "src", stillUrl(frame.id, { width: 480, from: "thumbnail" }));
  }

  /** The keyframe of a source at a moment, or the next one after it. */
  const read = latest(async ({ source, since, number }, outdated) => {
    let found;
    try {
      [found] = await frames({ source: source.id, since, limit: 1 });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.gone) lake.lost();
      return;
    }
    if (outdated() || number !== wanted) return;
    key = found?.id ?? null;
    draw(source, found ?? null, null);
  });

  return {
    element,
    /** A moment of the answer. */
    moment(item, source) {
      wanted += 1;
      key = item.key;
      draw(source, { id: item.hit.frame_id, time: item.hit.time, pts_s: item.hit.pts_s }, item.hit);
    },
    /** @param {any} source @param {string|number} since */
    at: (source, since) => read({ source, since, number: ++wanted }),
    hint: (text) => say(hint, text),
  };
}
