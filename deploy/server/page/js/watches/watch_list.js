/** The list of watches: what each is called, what it looks at, and how often it fired. */

import { fill, h } from "../core/dom.js";
import { go } from "../core/places.js";
import { words } from "../words.js";

/** @param {string} name */
export const addressOf = (name) => `watches?watch=${encodeURIComponent(name)}`;

/** @param {() => void} toSearch */
export function makeWatchList(toSearch) {
  const list = h("nav", { "aria-label": words.watches });
  const element = h("aside", { class: "watch-list", "aria-label": words.watches }, list, h("button", { type: "button", "data-needs": "watch", onclick: toSearch }, words.watchFromSearch));
  let shown = "";

  /** @param {Api.WatchAnswer} watch @param {boolean} chosen */
  function entry(watch, chosen) {
    const state = watch.paused ? "paused" : watch.error ? "bad" : "on";
    const address = addressOf(watch.name);
    return h(
      "a", { class: "entry", href: address, "aria-current": chosen ? "page" : null, "data-watch": watch.name, onclick: (event) => { if (!event.ctrlKey && !event.metaKey) { event.preventDefault(); go(address); } } },
      h("span", { class: "line" }, h("b", {}, h("span", { class: `dot ${state}` }), watch.title), h("span", { class: "muted" }, watch.paused ? words.paused : words.firedRecently(watch.recently))),
      h("span", { class: "muted" }, summary(watch)),
    );
  }

  /** @param {Api.WatchAnswer} watch */
  function summary(watch) {
    const { query } = watch;
    const sources = watch.sources.length ? watch.sources.slice(0, 3).join(", ") + (watch.sources.length > 3 ? " …" : "") : words.watchAllSources;
    const parts = [sources, query.zones ? words.watchZone : query.box ? words.watchBox : null, watch.stay_s ? words.watchStays(watch.stay_s) : null, watch.hours];
    parts.push(watch.max_distance === null ? words.sureShort(query.min_confidence) : words.limitDistance(watch.max_distance));
    return parts.filter(Boolean).join(" · ");
  }

  return {
    element,
    /** @param {Api.WatchAnswer[]} watches @param {string|null} name of the one that is shown */
    draw(watches, name) {
      const key = JSON.stringify([watches, name]);
      if (key === shown) return;
      shown = key;
      const focused = document.activeElement?.getAttribute("data-watch");
      fill(list, ...watches.map((each) => entry(each, each.name === name)));
      if (focused) list.querySelector(`[data-watch="${CSS.escape(focused)}"]`)?.focus();
    },
  };
}
