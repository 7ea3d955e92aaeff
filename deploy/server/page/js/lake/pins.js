/** The shots that are kept from retention. */

import * as api from "../core/api.js";
import { fill, h, say, show } from "../core/dom.js";
import { dayAndClock } from "../core/format.js";
import { words } from "../words.js";

/** @param {{guarded: (request: () => Promise<void>) => Promise<void>, open: (frame: string) => void}} given */
export function makePins({ guarded, open }) {
  const list = h("div", { class: "shots" }), count = h("span", { class: "muted" });
  const element = h("section", { class: "kept", hidden: true }, h("h3", {}, words.pins, " ", count), list);

  const read = () => guarded(async () => draw(await api.pins()));

  /** @param {Api.PinAnswer} pin */
  function card(pin) {
    const { frame } = pin;
    const when = pin.start_s === null ? words.pinAll : dayAndClock({ time: pin.start, pts_s: pin.start_s });
    return h(
      "article", { class: "shot-card", "data-pin": pin.id },
      h("div", { class: "shot" }, h("img", { alt: "", loading: "lazy", src: frame ? api.stillUrl(frame, { width: 320 }) : null })),
      h("div", { class: "foot" }, h("span", { class: "time" }, when), h("span", { class: "source", title: pin.source }, pin.source)),
      h("div", { class: "foot" }, h("span", { class: "source" }, words.pinned(pin.expires)), h("button", { type: "button", class: "quiet", "data-needs": "pin", "aria-label": `${words.unpinShot}: ${pin.source}, ${when}`, onclick: () => guarded(async () => { await api.unpin(pin.id); draw(await api.pins()); }) }, words.unpinShot)),
      frame ? h("button", { type: "button", class: "open", "aria-label": words.openPin(pin.source, when), onclick: () => open(frame) }) : null,
    );
  }

  /** @param {Api.PinAnswer[]} pins */
  function draw(pins) {
    show(element, pins.length > 0);
    say(count, String(pins.length));
    fill(list, ...pins.map(card));
  }

  return { element, read };
}
