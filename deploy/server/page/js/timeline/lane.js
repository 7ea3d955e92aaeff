/** The lane of a source: its activity, a tick for each moment, and close-ups of the best, as many as there is room for. */

import { fill, h, say, set } from "../core/dom.js";
import { clock as clockText, seconds } from "../core/format.js";
import { words } from "../words.js";
import { closeUpOf, place } from "../search/closeup.js";

export const CLOSE_UP_PX = 52;
const GAP_PX = 4;

/** @typedef {import("../search/card.js").Item} Item */
/** @typedef {{item: Item, at: number}} Placed a moment, and the fraction of the lane at which it is */

/**
 * Those of which a close-up is shown: the selected one, then the best, without overlap. left: CSS pixels.
 * @param {Placed[]} moments @param {number} width of the lane @param {string|null} selected @returns {{item: Item, left: number}[]}
 */
export function closeUps(moments, width, selected) {
  const ordered = [...moments].sort((a, b) => Number(b.item.key === selected) - Number(a.item.key === selected) || a.item.at - b.item.at);
  /** @type {{item: Item, left: number}[]} */
  const kept = [];
  for (const { item, at } of ordered) {
    const left = Math.max(0, Math.min(at * width - CLOSE_UP_PX / 2, width - CLOSE_UP_PX));
    if (kept.every((each) => Math.abs(each.left - left) >= CLOSE_UP_PX + GAP_PX)) kept.push({ item, left });
  }
  return kept;
}

/** @param {{pictures: import("../core/pictures.js").Pictures, lake: import("../lake.js").Lake, open: (key: string) => void, look: (source: Api.SourceAnswer) => void, hover: (item: Item) => void}} given */
export function makeLane({ pictures, lake, open, look, hover }) {
  let source = /** @type {Api.SourceAnswer} */ (/** @type {unknown} */ (null)); // until it is drawn
  /** @type {Map<string, {button: any, image: any, box: any}>} */
  const made = new Map();
  const name = h("button", { type: "button", class: "lane-name", onclick: () => look(source) });
  const bars = h("svg:svg", { class: "lane-bars", preserveAspectRatio: "none", "aria-hidden": "true" });
  const ticks = h("svg:svg", { class: "lane-ticks", "aria-hidden": "true" });
  const track = h("div", { class: "lane-track" }, bars, ticks);
  const count = h("span", { class: "lane-count" });
  const element = h("div", { class: "time-lane", role: "group" }, name, track, count);
  let barsKey = "", ticksKey = "";

  /** @param {Item} item */
  function closeUp(item) {
    const image = h("img", { alt: "", draggable: "false" }), box = h("span", { class: "answer" });
    const button = h("button", { type: "button", class: "moment", "data-key": item.key, tabindex: -1, onclick: () => open(item.key), onfocus: () => hover(item), onpointerenter: () => hover(item) }, image, box);
    return { button, image, box };
  }

  /**
   * @param {Api.SourceAnswer} next
   * @param {{counts: number[], most: number, shift: [number, number], moments: Placed[], width: number, selected: string|null, tabbable: string|null, total: number}} look
   *   counts: over the part of the lane from shift[0] to shift[1]. total: moments of this source at any time
   */
  function draw(next, { counts, most, shift, moments, width, selected, tabbable, total }) {
    source = next;
    set(element, "aria-label", next.name);
    set(element, "data-source", next.id);
    say(name, next.name);
    set(name, "title", words.laneOpen(next.name));
    say(count, total ? String(total) : "");
    const key = `${counts.join()} ${most}`;
    if (key !== barsKey) {
      barsKey = key;
      set(bars, "viewBox", `0 0 ${Math.max(counts.length, 1)} 1`);
      fill(bars, ...counts.map((each, at) => (each ? h("svg:rect", { class: "activity", x: at + 0.08, width: 0.84, y: 1 - each / most, height: each / most }) : null)));
    }
    bars.style.left = `${shift[0] * 100}%`;
    bars.style.width = `${(shift[1] - shift[0]) * 100}%`;
    const places = moments.map(({ at }) => `${(at * 100).toFixed(3)}%`);
    if (places.join() !== ticksKey) {
      ticksKey = places.join();
      fill(ticks, ...places.map((x) => h("svg:rect", { class: "tick", x, width: 2, height: "100%", rx: 1 })));
    }
    const shown = closeUps(moments, width, selected), present = new Set(shown.map((each) => each.item.key));
    for (const [old, { button, image }] of made) {
      if (!present.has(old)) {
        pictures.drop(image);
        button.remove();
        made.delete(old);
      }
    }
    for (const { item, left } of shown) {
      let found = made.get(item.key);
      if (!found) {
        made.set(item.key, (found = closeUp(item)));
        track.append(found.button);
      }
      const picture = closeUpOf(item.hit, { aspect: lake.aspect(item.hit.source_id), width: CLOSE_UP_PX, whole: false });
      pictures.want(found.image, picture.urls);
      place(found.box, picture.box);
      found.button.style.left = `${left}px`;
      const sure = item.hit.confidence ?? null;
      const time = item.hit.time ? clockText(item.hit.time) : seconds(item.hit.pts_s);
      set(found.button, "aria-label", words.openMoment(item.at + 1, next.name, time, sure === null ? "" : words.sureShort(sure)));
      set(found.button, "class", item.key === selected ? "moment selected" : "moment");
      found.button.tabIndex = item.key === tabbable ? 0 : -1;
    }
  }

  return {
    element, draw,
    focus: (key) => made.get(key)?.button.focus({ preventScroll: true }),
    drop() {
      for (const { image } of made.values()) pictures.drop(image);
      element.remove();
    },
  };
}
