/** Folders that may be ingested, and the progress of the one that is. */

import * as api from "../core/api.js";
import { fill, h, say, set, show } from "../core/dom.js";
import { seconds } from "../core/format.js";
import { words } from "../words.js";

/** @param {{guarded: (request: () => Promise<void>) => Promise<void>, grown: () => void}} given */
export function makeFolders({ guarded, grown }) {
  const none = h("p", { class: "muted" }, words.foldersNone, " ", h("code", {}, words.foldersCommand));
  const buttons = h("div", { class: "choices" });
  const said = h("p", { role: "status" }), bar = h("progress", { "aria-label": words.ingestProgress, max: 1 });
  const stop = h("button", { type: "button", onclick: () => guarded(async () => { await api.stopIngest(); }) }, words.stopIngest);
  const remarks = h("ul", { class: "muted" }); // what could not be read, and notes about what was
  const run = h("div", { class: "ingest-run" }, h("div", { class: "line" }, said, stop), bar, remarks);
  const element = h("section", { class: "folders", "data-needs": "ingest", hidden: true }, h("h3", {}, words.folders), h("p", { class: "muted" }, words.foldersText), buttons, none, run);
  let state = /** @type {Api.IngestAnswer|null} */ (null), events = /** @type {EventSource|null} */ (null);

  /** @param {Api.IngestAnswer} answer */
  function take(answer) {
    state = answer;
    draw();
    if (state.run?.state === "running" && !events) follow();
  }

  /** Follows the run until it ends. */
  function follow() {
    const source = (events = new EventSource("api/ingest/events"));
    const close = () => { source.close(); if (events === source) events = null; };
    source.addEventListener("progress", (event) => {
      if (!state) return;
      const run = /** @type {Api.IngestRunAnswer} */ (JSON.parse(event.data));
      state = { ...state, run };
      draw();
      if (run.state !== "running") { close(); grown(); }
    });
    source.addEventListener("error", close); // the server is gone; the room asks again
  }

  function draw() {
    if (!state) return;
    const { folders, run: last } = state, running = last?.state === "running";
    show(element, true);
    show(none, !folders.length);
    show(buttons, folders.length > 0);
    const key = `${folders.join("/")} ${running}`;
    if (buttons.dataset.key !== key) {
      buttons.dataset.key = key;
      fill(buttons, ...folders.map((folder) => h("button", { type: "button", disabled: running, onclick: () => guarded(async () => take(await api.ingest(folder))) }, words.ingestFolder(folder))));
    }
    show(run, last !== null);
    if (!last) return;
    const { keyframes = 0, regions = 0, media_s = 0, media_total_s = 0 } = last.progress;
    say(said, words.ingestStates[last.state](last.folder, words.ingestFound(keyframes, regions), last.skipped, last.error) + (running && media_total_s ? ` · ${words.ingestRead(seconds(media_s, 0), seconds(media_total_s, 0))}` : ""));
    show(stop, running);
    show(bar, running);
    if (media_total_s) set(bar, "value", media_s / media_total_s);
    else set(bar, "value", null);
    const lines = [...last.errors.map(({ source, error }) => `${source}: ${error}`), ...last.notes.map(({ source, note }) => `${source}: ${note}`)];
    fill(remarks, ...lines.map((line) => h("li", {}, line)));
    show(remarks, lines.length > 0);
  }

  return {
    element,
    read: () => guarded(async () => take(await api.ingests())),
  };
}
