/** Keyframes around the one that is shown. */

import { frame, frames, stillUrl } from "../core/api.js";
import { fill, h } from "../core/dom.js";
import { when } from "../core/format.js";
import { words } from "../words.js";

const SHOWN = 9;
const WINDOWS_S = [12, 90, 900];
const KEPT = 200;

/** Details of frames, which are read once. */
export class FrameCache {
  constructor() {
    /** @type {Map<string, Promise<Api.FrameAnswer>>} */
    this._kept = new Map();
  }

  /** @param {string} id */
  async get(id) {
    const known = this._kept.get(id);
    if (known) return known;
    const found = frame(id);
    this._kept.set(id, found);
    found.catch(() => this._kept.delete(id));
    const [oldest] = this._kept.keys();
    if (this._kept.size > KEPT) this._kept.delete(oldest);
    return found;
  }
}

/** The keyframes around one, in order. @param {Api.FrameAnswer} shown @returns {Promise<Api.ListedFrame[]>} */
export async function around(shown) {
  let found = [];
  for (const windowS of WINDOWS_S) {
    const bounds = shown.time
      ? [new Date(Date.parse(shown.time) - windowS * 1000).toISOString(), new Date(Date.parse(shown.time) + windowS * 1000).toISOString()]
      : [shown.pts_s - windowS, shown.pts_s + windowS];
    found = await frames({ source: shown.source_id, since: bounds[0], until: bounds[1], limit: 1000 });
    if (found.length >= 2 * SHOWN || (!shown.previous && !shown.next)) break;
  }
  const at = found.findIndex((each) => each.id === shown.id);
  const from = Math.max(0, Math.min(at - Math.floor(SHOWN / 2), found.length - SHOWN));
  return found.slice(from, from + SHOWN);
}

/** @param {(id: string) => void} open */
export function makeStrip(open) {
  const element = h("div", { class: "strip", role: "group", "aria-label": words.strip });
  let key = "";
  /** @param {Api.ListedFrame[]} list @param {string} current */
  function draw(list, current) {
    const next = list.map((each) => each.id).join();
    if (next !== key) {
      key = next;
      fill(element, ...list.map((each) => {
        const image = h("img", { alt: "", loading: "lazy", src: stillUrl(each.id, { width: 240, height: 180, from: "thumbnail" }) });
        return h("button", { type: "button", "data-frame": each.id, "aria-label": words.keyframeAt(when(each)), title: when(each), onclick: () => open(each.id) }, image);
      }));
    }
    for (const button of element.children) {
      const here = button.dataset.frame === current;
      if (here) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
    element.querySelector("[aria-current]")?.scrollIntoView?.({ block: "nearest", inline: "nearest" });
  }
  return { element, draw };
}

