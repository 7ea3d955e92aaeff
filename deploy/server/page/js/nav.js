/** The rooms in the bar. */

import { h, set } from "./core/dom.js";
import { asking, go, LAKE, LIVE, placeNow, SEARCH, TIMELINE, WATCHES } from "./core/places.js";
import { toAddress } from "./core/question.js";
import { words } from "./words.js";

const ROOMS = [[SEARCH, words.search, "s"], [TIMELINE, words.timeline, "t"], [WATCHES, words.watches, "w"], [LIVE, words.live, "l"], [LAKE, words.lake, "k"]];

/** @param {import("./core/store.js").Store} store */
export function makeNav(store) {
  // the question is kept while one is in another room
  const asked = (place) => place + (asking(place) ? toAddress(store.question, null, place === TIMELINE ? store.view : null) : "");
  const addressOf = (place) => asked(place) || ".";
  const enter = (place) => go(asked(place));
  const links = ROOMS.map(([place, name]) =>
    h("a", { href: place || ".", onclick: (event) => { if (!event.ctrlKey && !event.metaKey && !event.shiftKey) { event.preventDefault(); if (place !== placeNow()) enter(place); } } }, name));
  const element = h("nav", { class: "places", "aria-label": words.rooms }, ...links);
  return {
    element,
    draw() {
      const now = placeNow();
      links.forEach((link, at) => {
        set(link, "aria-current", ROOMS[at][0] === now ? "page" : null);
        set(link, "href", addressOf(ROOMS[at][0]));
      });
    },
    /** Goes to the room of a key. @returns {boolean} whether there is one */
    key(name) {
      const found = ROOMS.find(([, , key]) => key === name);
      if (found && found[0] !== placeNow()) enter(found[0]);
      return found !== undefined;
    },
  };
}
