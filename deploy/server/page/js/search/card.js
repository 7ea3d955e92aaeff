/** A moment as a card or a small tile: close-up, where in the frame it is, when, in which source, how sure. */

import { h, say, set, show } from "../core/dom.js";
import { when, whenFully } from "../core/format.js";
import { area, WHOLE } from "../core/geometry.js";
import { words } from "../words.js";
import { closeUpOf, place } from "./closeup.js";

/** @typedef {{key: string, hit: Api.Hit, at: number, visit: {at: number, count: number, group?: Api.GroupAnswer}|null, tile: boolean}} Item */

const WHOLE_AREA = 0.98;

/**
 * @param {{pictures: import("../core/pictures.js").Pictures, lake: import("../lake.js").Lake,
 *   open: (key: string) => void, find: (key: string) => void, more: (key: string) => void, less: (key: string) => void}} given
 */
export function makeCard({ pictures, lake, open, find, more, less }) {
  let key = "";
  const image = h("img", { alt: "", draggable: "false" });
  const answer = h("span", { class: "answer" });
  const spot = h("span", { class: "spot" }), asked = h("span", { class: "asked" });
  const inset = h("span", { class: "inset" }, asked, spot);
  const visit = h("span", { class: "visit" }), mark = h("span", { class: "mark" }, "✓"), verdict = h("span", { class: "verdict" });
  const time = h("span", { class: "time" }), source = h("span", { class: "source" });
  const level = h("span", { class: "level" }), meter = h("span", { class: "meter" }, level), value = h("span", { class: "value" });
  const opener = h("button", { type: "button", class: "open", tabindex: -1, onclick: () => open(key) });
  const actions = h(
    "div", { class: "actions" },
    h("button", { type: "button", tabindex: -1, title: words.findThisTitle, onclick: () => find(key) }, words.findThis),
    h("button", { type: "button", tabindex: -1, title: words.more, "aria-label": words.more, onclick: () => more(key) }, "+"),
    h("button", { type: "button", tabindex: -1, title: words.less, "aria-label": words.less, onclick: () => less(key) }, "\u2212"),
  );
  const element = h(
    "article", { class: "card" },
    h("div", { class: "shot" }, image, answer, inset, visit, mark, verdict),
    h("div", { class: "foot" }, time, source, meter, value),
    opener, actions,
  );

  /** @param {Item} item @param {{width: number, whole: boolean, box: import("../core/geometry.js").Box|null, zone: import("../core/polygon.js").Zone|null, selected: boolean, marked: boolean, judged: "like"|"unlike"|null, ringed: boolean, tabbable: boolean}} look */
  function draw(item, look) {
    const { hit } = item;
    key = item.key;
    set(element, "data-key", key);
    const aspect = lake.aspect(hit.source_id);
    const shown = closeUpOf(hit, { aspect, width: look.width, whole: look.whole });
    pictures.want(image, shown.urls);
    const entire = area(hit.box) > WHOLE_AREA;
    show(answer, !entire);
    place(answer, shown.box);
    show(inset, !item.tile && !look.whole && !entire);
    inset.style.aspectRatio = String(aspect);
    place(spot, hit.box);
    show(asked, look.box !== null || look.zone !== null);
    asked.classList.toggle("zone", look.zone !== null);
    asked.style.clipPath = look.zone ? `polygon(${look.zone.map(([x, y]) => `${x * 100}% ${y * 100}%`).join()})` : "";
    place(asked, look.zone ? WHOLE : look.box ?? WHOLE);
    const many = item.visit !== null && item.visit.count > 1 ? item.visit : null;
    show(visit, many !== null && (item.tile || look.selected));
    if (many) say(visit, item.tile ? words.moments(many.count, false) : words.inVisit(many.at, many.count));
    show(mark, look.marked);
    show(verdict, look.judged !== null && !look.marked);
    say(verdict, look.judged === "like" ? "+" : "\u2212");
    set(verdict, "title", look.judged === "like" ? words.liked : words.unliked);
    say(time, when(hit));
    set(time, "title", whenFully(hit));
    say(source, hit.source);
    set(source, "title", hit.source);
    const sure = hit.confidence ?? null, near = hit.geometric === null || hit.geometric === undefined ? null : 1 - hit.geometric;
    const share = sure ?? (hit.semantic === null || hit.semantic === undefined ? near : null);
    const text = sure !== null ? words.sureShort(sure) : share !== null ? (look.zone ? words.inside : words.overlap)(share) : words.rank(hit.rank);
    show(meter, share !== null);
    set(meter, "class", sure !== null ? "meter" : "meter overlap");
    if (share !== null) level.style.width = `${share * 100}%`;
    say(value, text);
    set(opener, "aria-label", words.openMoment(item.at + 1, hit.source, when(hit), text));
    opener.tabIndex = look.tabbable ? 0 : -1;
    for (const button of actions.children) button.tabIndex = look.selected ? 0 : -1;
    set(element, "class", ["card", item.tile && "tile", look.selected && "selected", look.marked && "marked", look.ringed && "ringed"].filter(Boolean).join(" "));
  }

  return { element, draw, focus: () => opener.focus({ preventScroll: true }), drop: () => pictures.drop(image) };
}
