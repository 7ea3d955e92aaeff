/** The lake room: what the lake holds and takes up, ingests, upkeep, pins, what could not be read, and what one may do. */

import * as api from "../core/api.js";
import { fill, h, say, set, show } from "../core/dom.js";
import { bytes } from "../core/format.js";
import { LAKE, go, placeNow } from "../core/places.js";
import { makeGuard } from "../core/guard.js";
import { latest } from "../core/latest.js";
import { EMPTY, toAddress } from "../core/question.js";
import { may } from "../access/account.js";
import { words } from "../words.js";
import { makeFolders } from "./folders.js";
import { makeHistory } from "./history.js";
import { makePins } from "./pins.js";
import { makeSourceTable } from "./source_table.js";
import { makeStorage } from "./storage.js";
import { makeUpkeep } from "./upkeep.js";

/** @param {{store: import("../core/store.js").Store, lake: import("../lake.js").Lake, locked: () => void}} given */
export function makeLakeRoom({ store, lake, locked }) {
  const title = h("b", {}), about = h("span", {});
  const note = h("p", { class: "notice bad", role: "status", hidden: true });
  const empty = h("div", { class: "empty", hidden: true }, h("h2", {}, words.emptyLake), h("p", {}, words.emptyLakeText), h("p", {}, h("code", {})), h("p", {}, words.emptyLakeFeeds), h("p", {}, h("code", {}, words.noFeedsCommand)));
  const folders = makeFolders({ guarded, grown: () => lake.follow() });
  const pins = makePins({ guarded, open: (frame) => store.show(frame) });
  const history = makeHistory({ lake }), storage = makeStorage(), upkeep = makeUpkeep();
  const sources = makeSourceTable({ open: (source) => go(`timeline${toAddress({ ...EMPTY, sources: [source.id] })}`) });
  const facts = h("dl", { class: "facts-list" }), service = h("section", { class: "service", "aria-label": words.service }, h("h3", {}, words.service), facts);
  const element = h(
    "main", { class: "lake-room", hidden: true, tabindex: -1 },
    h("div", { class: "lake-head" }, h("h2", { class: "count" }, title, about)), note, empty,
    h("div", { class: "lake-columns" }, h("div", { class: "lake-column" }, history.element, sources.element, sources.refused, pins.element), h("div", { class: "lake-column" }, folders.element, upkeep.element, storage.element, service)),
  );
  let held = /** @type {any} */ (null), error = "", offered = false;

  const guard = makeGuard({ lake, locked, refused: (reason) => { error = reason; } });

  /** @param {() => Promise<void>} request */
  async function guarded(request) {
    if (await guard(request)) error = "";
    draw();
  }

  const read = latest(async () => {
    await guarded(async () => { held = await api.lakeStorage(); });
  });

  function draw() {
    if (element.hidden) return;
    const { status } = lake, said = lake.away ? words.gone : error;
    say(note, said);
    set(note, "class", lake.away ? "notice gone" : "notice bad");
    show(note, said !== "");
    if (!status) return;
    known();
    say(title, status.lake.name);
    say(about, [words.lakeHolds(status.lake.keyframes, status.lake.regions), status.lake.disk_bytes === null ? null : bytes(status.lake.disk_bytes), status.lake.writer ? words.beingWritten : null].filter(Boolean).join(" · "));
    const bare = !status.lake.keyframes;
    show(empty, bare);
    say(empty.querySelector("code"), words.emptyLakeCommand(status.lake.name));
    history.draw(held);
    sources.draw(lake.sources, status);
    if (held) {
      storage.draw(held);
      upkeep.draw(held, lake.me?.sources === null);
    }
    drawService(status);
  }

  /** @param {Api.StatusAnswer} status */
  function drawService({ version, model, searches }) {
    const { me } = lake;
    const rows = [
      [words.serviceModel, `${model.name}: ${words.modelStates[model.state]}${model.error ? `: ${model.error}` : ""}`],
      [words.serviceSearches, searches.p50_ms === null ? words.searchesNone : words.searchesLine(searches.answered, searches.p50_ms, searches.p95_ms)],
      [words.serviceVersion, version],
      me ? [words.serviceYou, words.youAre(me.name, words.roles[me.role] ?? me.role)] : null,
      me ? [words.serviceMay, me.rights.map((right) => words.rights[right] ?? right).join(", ")] : null,
      me ? [words.serviceSees, me.sources === null ? words.seesAll : words.seesSome(me.sources)] : null,
    ].filter((row) => row !== null);
    const key = JSON.stringify(rows);
    if (facts.dataset.key === key) return;
    facts.dataset.key = key;
    fill(facts, ...rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
  }

  /** Reads the folders once it is known that one may ingest. */
  function known() {
    if (offered || lake.me === null || !may("ingest")) return;
    offered = true;
    folders.read();
  }

  /** Follows the state, which the page reads every few seconds. */
  function follow() {
    if (element.hidden) return;
    if (lake.status) read(null);
    draw();
  }

  return {
    element, follow,
    enter() {
      const before = element.hidden;
      show(element, placeNow() === LAKE);
      if (element.hidden) return;
      if (before) {
        offered = false;
        follow();
      }
      if (!store.open) pins.read(); // also after the viewer, in which shots are pinned
    },
  };
}
