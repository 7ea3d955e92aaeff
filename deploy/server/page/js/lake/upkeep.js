/** What upkeep did, what it does now, and what it holds back until somebody releases it. */

import { fill, h, show } from "../core/dom.js";
import { bytes, dayAndClock } from "../core/format.js";
import { words } from "../words.js";

/** @param {string} iso */
const at = (iso) => dayAndClock({ time: iso, pts_s: 0 });

/** The facts of upkeep as sentences. @param {Api.UpkeepAnswer} upkeep @returns {string[]} */
export function saidOf({ doing, passes, removed, removed_bytes, since, last }) {
  const said = [doing ? words.upkeepDoing(doing) : words.upkeepRests, words.upkeepPasses(passes, at(since))];
  if (removed) said.push(words.upkeepRemoved(removed, bytes(removed_bytes)));
  if (last) {
    said.push(words.upkeepLast(at(last.began), last.took_s));
    if (last.fragments_before > last.fragments_after) said.push(words.upkeepJoined(last.fragments_before, last.fragments_after));
    if (last.freed_bytes) said.push(words.upkeepFreed(bytes(last.freed_bytes)));
    if (last.removed || last.trimmed) said.push(words.upkeepLastRemoved(last.removed, last.trimmed, bytes(last.removed_bytes)));
    if (last.video_files) said.push(words.upkeepVideo(last.video_files, bytes(last.video_bytes)));
    if (last.put_off) said.push(words.upkeepPutOff(last.put_off));
    if (last.video_waits) said.push(words.upkeepVideoWaits);
  }
  return said;
}

export function makeUpkeep() {
  const facts = h("ul", { class: "said-list" }), wrong = h("ul", { class: "said-list warning" });
  const none = h("p", { class: "muted" }, words.upkeepNone, " ", h("code", {}, words.upkeepCommand));
  const element = h("section", { class: "upkeep", "aria-label": words.upkeep, hidden: true }, h("h3", {}, words.upkeep), facts, wrong, none);

  /** @param {Api.LakeStorageAnswer} lake @param {boolean} whole whether one sees the whole lake */
  function draw(lake, whole) {
    show(element, whole);
    const { upkeep } = lake;
    show(none, upkeep === null);
    show(facts, upkeep !== null);
    if (upkeep) fill(facts, ...saidOf(upkeep).map((each) => h("li", {}, each)));
    const troubles = [
      ...(upkeep?.held ?? []),
      ...(upkeep?.last?.errors ?? []),
      upkeep?.last_error && !upkeep.last?.errors.length ? words.upkeepFailed(upkeep.failed_passes, upkeep.last_error) : null,
      lake.refused_batches ? words.refusedBatches(lake.refused_batches) : null,
    ].filter(Boolean);
    fill(wrong, ...troubles.map((each) => h("li", {}, each)));
    show(wrong, troubles.length > 0);
  }

  return { element, draw };
}
