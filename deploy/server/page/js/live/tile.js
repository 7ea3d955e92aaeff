/** A feed as a tile: its last picture, its state in words, and how far it is behind. */

import { stillUrl } from "../core/api.js";
import { h, say, set, show } from "../core/dom.js";
import { clock } from "../core/format.js";
import { widthFor } from "../core/pictures.js";
import { words } from "../words.js";

const BUSY = 0.02; // the share of shed keyframes from which it is said
const WIDTHS = [480, 640, 960];

/** @param {{open: (frame: string) => void, act: (name: string, what: "pause"|"resume"|"remove") => void}} calls */
export function makeTile({ open, act }) {
  let feed = /** @type {Api.FeedStateAnswer} */ (/** @type {unknown} */ (null)), sure = 0, shown = "";
  const image = h("img", { alt: "", draggable: "false" });
  const dot = h("span", { class: "dot" }), name = h("span", {});
  const state = h("span", { class: "state" }), lag = h("span", { class: "muted" });
  const opener = h("button", { type: "button", class: "open", onclick: () => { if (feed.newest_frame) open(feed.newest_frame); } });
  const pause = h("button", { type: "button", "data-needs": "pause", onclick: () => act(feed.name, feed.paused ? "resume" : "pause") });
  const remove = h("button", { type: "button", "data-needs": "feeds", onclick: removing });
  const element = h(
    "article", { class: "feed" },
    h("div", { class: "feed-picture" }, image, h("h3", { class: "feed-name" }, dot, name)),
    h("div", { class: "foot" }, state, lag),
    opener, h("div", { class: "feed-actions" }, pause, remove),
  );

  function removing() {
    if (!sure) { // once more, so that no slip loses a feed
      sure = setTimeout(() => { sure = 0; say(remove, words.removeFeed); }, 4000);
      say(remove, words.removeFeedSure);
      return;
    }
    clearTimeout(sure);
    sure = 0;
    act(feed.name, "remove");
  }

  /** Loads the next picture before it replaces the last one, so that nothing flashes. */
  async function picture() {
    const px = widthFor(element.clientWidth, WIDTHS);
    const url = feed.newest_frame ? stillUrl(feed.newest_frame, { width: px, from: "thumbnail" }) : "";
    if (url === shown) return;
    shown = url;
    if (!url) return set(image, "src", null);
    const next = new Image();
    next.src = url;
    try {
      await next.decode();
    } catch {
      return; // it was removed meanwhile; the next one follows
    }
    if (shown === url) image.src = url;
  }

  /** @param {Api.FeedStateAnswer} next @param {number} now */
  function draw(next, now) {
    feed = next;
    const live = feed.state === "live", busy = live && feed.shed > BUSY;
    set(element, "data-feed", feed.name);
    set(element, "class", live ? "feed" : "feed away");
    set(dot, "class", `dot ${busy ? "busy" : live ? "on" : feed.state === "paused" || feed.state === "unknown" ? "paused" : "bad"}`);
    say(name, feed.name);
    set(name, "title", feed.address);
    const forS = feed.since ? Math.max(0, Math.round((now - Date.parse(feed.since)) / 1000)) : 0;
    const said = busy ? words.feedBusy(feed.shed) : words.feedStates[feed.state]?.(forS, feed.error) ?? feed.state;
    say(state, said);
    set(state, "title", feed.error);
    set(state, "class", busy || !(live || feed.state === "paused") ? "state warning" : "state");
    say(lag, live && feed.behind_s !== null ? words.feedBehind(feed.behind_s) : feed.newest ? words.feedLast(clock(feed.newest, 0)) : feed.keyframes ? "" : words.feedNothing);
    show(opener, feed.newest_frame !== null);
    set(opener, "aria-label", words.openFeed(feed.name, said));
    show(pause, feed.changeable);
    show(remove, feed.changeable);
    say(pause, feed.paused ? words.resumeFeed : words.pauseFeed);
    set(pause, "aria-label", `${feed.paused ? words.resumeFeed : words.pauseFeed}: ${feed.name}`);
    if (!sure) say(remove, words.removeFeed);
    set(remove, "aria-label", `${remove.textContent}: ${feed.name}`);
    picture();
  }

  return { element, draw };
}
