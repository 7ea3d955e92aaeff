/** The live room: a tile for each feed. */

import * as api from "../core/api.js";
import { h, say, show } from "../core/dom.js";
import { makeGuard } from "../core/guard.js";
import { latest } from "../core/latest.js";
import { LIVE, placeNow } from "../core/places.js";
import { words } from "../words.js";
import { makeAddFeed } from "./add_feed.js";
import { makeTile } from "./tile.js";

const POLL_MS = 2000;

/** @param {{store: import("../core/store.js").Store, lake: import("../lake.js").Lake, locked: () => void}} given */
export function makeLive({ store, lake, locked }) {
  const adding = makeAddFeed((answer) => { take(answer); });
  const count = h("b", {}), about = h("span", {});
  const add = h("button", { type: "button", "data-needs": "feeds", onclick: () => adding.open() }, words.addFeed);
  const note = h("p", { class: "notice bad", role: "status", hidden: true });
  const tiles = h("div", { class: "feeds" });
  const empty = h("div", { class: "empty", hidden: true }, h("h2", {}, words.noFeeds), h("p", {}, words.noFeedsText), h("p", {}, h("code", {}, words.noFeedsCommand)));
  const element = h(
    "main", { class: "live-room", hidden: true, tabindex: -1 },
    h("div", { class: "live-head" }, h("h2", { class: "count", "aria-live": "polite" }, count, about), add), note, empty, tiles,
  );
  /** @type {Map<string, ReturnType<typeof makeTile>>} */
  const made = new Map();
  let state = /** @type {Api.FeedStatesAnswer|null} */ (null), error = "", timer = 0;

  const guard = makeGuard({ lake, locked, refused: (reason) => { error = reason; } });

  /** @param {() => Promise<void>} request */
  async function guarded(request) {
    if (await guard(request)) error = "";
    draw();
  }

  /** @param {Api.FeedStatesAnswer} answer */
  function take(answer) {
    state = answer;
    draw();
  }

  const poll = latest(async () => {
    await guarded(async () => { state = await api.feeds(); });
  });

  /** Reads again while the room is shown. */
  async function follow() {
    clearTimeout(timer);
    if (placeNow() !== LIVE) return;
    if (!document.hidden) await poll(null);
    clearTimeout(timer);
    timer = setTimeout(follow, POLL_MS);
  }

  /** @param {string} name @param {"pause"|"resume"|"remove"} what */
  function act(name, what) {
    return guarded(async () => {
      if (what === "remove") await api.removeFeed(name);
      state = what === "remove" ? await api.feeds() : await api.setFeed(name, what);
    });
  }

  function draw() {
    if (element.hidden || state === null) return;
    const { feeds, follower } = state, now = Date.now();
    const counts = { live: 0, down: 0, paused: 0 };
    for (const { state: each } of feeds) counts[each === "live" ? "live" : each === "paused" ? "paused" : "down"] += 1;
    say(count, words.feedCount(feeds.length));
    say(about, words.feedsLine(counts, feeds.reduce((sum, each) => sum + each.frames_per_s, 0), follower.findable_s));
    show(add, state.can_add);
    const said = error || follower.error || (feeds.length && !follower.running ? words.noFollower(follower.reported) : "");
    say(note, said);
    show(note, said !== "");
    show(empty, !feeds.length);
    const ordered = [...feeds.filter((each) => !each.paused), ...feeds.filter((each) => each.paused)]; // by name, what is paused last
    ordered.forEach((feed, at) => {
      let tile = made.get(feed.name);
      if (!tile) made.set(feed.name, (tile = makeTile({ open: (frame) => store.show(frame), act })));
      // a tile that is where it belongs is not moved, which would take the focus from its buttons
      if (tiles.children[at] !== tile.element) tiles.insertBefore(tile.element, tiles.children[at] ?? null);
      tile.draw(feed, now);
    });
    for (const [name, tile] of made) {
      if (!feeds.some((each) => each.name === name)) {
        tile.element.remove();
        made.delete(name);
      }
    }
  }

  return {
    element, dialog: adding.element,
    enter() {
      const before = element.hidden;
      show(element, placeNow() === LIVE);
      if (!element.hidden && before) follow();
    },
  };
}
