/** Moments of a watch as cards: those near its limit, and its alarms. */

import { fill, h } from "../core/dom.js";
import { dayAndClock, whenFully } from "../core/format.js";
import { keyOf } from "../search/arrangement.js";
import { closeUpOf, place } from "../search/closeup.js";
import { words } from "../words.js";

/** @typedef {Omit<Api.Hit, "source_id"|"rank"|"pts"> & {source_id: string|null, id?: string}} Shot a hit, or an alarm, whose source may be gone */

const WIDTH = 228;

/** @param {{lake: import("../lake.js").Lake, pictures: import("../core/pictures.js").Pictures, open: (key: string) => void}} given */
export function makeShots({ lake, pictures, open }) {
  const element = h("div", { class: "shots" });
  let shown = "";

  /** @param {Shot} hit */
  function card(hit) {
    const image = h("img", { alt: "", draggable: "false" }), answer = h("span", { class: "answer" });
    const picture = closeUpOf(hit, { aspect: lake.aspect(hit.source_id), width: WIDTH, whole: false });
    place(answer, picture.box);
    pictures.want(image, picture.urls);
    const sure = hit.confidence ?? null, value = sure === null ? hit.distance.toFixed(2) : words.sureShort(sure);
    const time = dayAndClock(hit);
    return h(
      "article", { class: "shot-card" },
      h("div", { class: "shot" }, image, answer),
      h("div", { class: "foot" }, h("span", { class: "time", title: whenFully(hit) }, time), h("span", { class: "source", title: hit.source }, hit.source), h("span", { class: "value" }, value)),
      h("button", { type: "button", class: "open", "aria-label": words.openHit(hit.source, time, value), onclick: () => open(keyOf(hit)) }),
    );
  }

  return {
    element,
    /** @param {Shot[]} hits */
    draw(hits) {
      const key = hits.map((hit) => hit.id ?? keyOf(hit)).join();
      if (key === shown) return;
      shown = key;
      for (const image of element.querySelectorAll("img")) pictures.drop(image);
      fill(element, ...hits.map(card));
    },
  };
}
