/** What stands in place of moments, or above them: nothing asked, nothing found, an empty lake, refusals, a server that is gone. */

import { stillUrl } from "../core/api.js";
import { fill, h, show } from "../core/dom.js";
import { asks, byMeaning } from "../core/question.js";
import { words } from "../words.js";
import { counted } from "./loosen.js";

const FEW = 8;
const NEWEST = 12;

/** @param {import("../core/store.js").Store} store @param {import("../lake.js").Lake} lake @param {{again: () => void}} calls */
export function makeStates(store, lake, { again }) {
  const lines = h("div", { class: "lines", role: "status", "aria-live": "polite" });
  const panel = h("div", { class: "empty" });
  /** @type {AbortController|null} */
  let loosening = null;
  let refusal = /** @type {{sentence: string}|null} */ (null), returned = 0, drawn = "";

  const button = (text, patch) => h("button", { type: "button", onclick: () => store.change(patch) }, text);

  /** @param {Api.SearchAnswer|null} answer */
  function drawLines(answer) {
    const { status } = lake, { question } = store;
    const found = [];
    if (lake.away) found.push(["gone", words.gone]);
    else if (Date.now() - returned < 4000) found.push(["back", words.back]);
    if (refusal) found.push(["refused", refusal.sentence, h("button", { type: "button", class: "cross", "aria-label": words.dismiss, onclick: () => { refusal = null; drawLines(answer); } }, "×")]);
    if (status?.lake.error && !lake.away) found.push(["bad", words.lakeFailed(status.lake.error)]);
    if (status?.model.state === "loading") found.push(["note", words.modelLoading]);
    if (status?.model.state === "failed") found.push(["bad", words.modelFailed(status.model.error ?? "")]);
    if (status?.lake.writer) found.push(["note", words.ingesting(status.lake.writer)]);
    if (answer?.without_vector && byMeaning(question)) found.push(["note", words.withoutVector(answer.without_vector)]);
    if (answer && question.sure !== null && byMeaning(question) && answer.hits.length > 0 && answer.hits.length < FEW) {
      found.push(["note", words.few(answer.hits.length, question.sure), button(words.fewLoosen, { sure: null })]);
    }
    const key = JSON.stringify(found.map((each) => each.slice(0, 2)));
    if (lines.dataset.key === key) return;
    lines.dataset.key = key;
    fill(lines, ...found.map(([kind, text, action]) => h("p", { class: `notice ${kind}` }, h("span", {}, text), action ?? null)));
  }

  /** What stands in the place of the grid. @returns {boolean} whether something does @param {Api.SearchAnswer|null} answer @param {import("../core/api.js").ApiError|null} error */
  function drawPanel(answer, error) {
    const { question } = store;
    const name = lake.status?.lake.name ?? "lake";
    let kind = "";
    if (lake.status && !lake.status.lake.keyframes) kind = "lake";
    else if (!asks(question)) kind = "start";
    else if (error) kind = `error ${error.status} ${error.message}`;
    else if (answer && !answer.hits.length) kind = `none ${JSON.stringify(answer.query)}`;
    show(panel, kind !== "");
    const key = `${kind} ${kind === "start" ? lake.made : ""}`;
    if (key === drawn) return kind !== "";
    drawn = key;
    loosening?.abort();
    if (kind === "lake") fill(panel, h("h2", {}, words.emptyLake), h("p", {}, words.emptyLakeText), h("p", {}, h("code", {}, words.emptyLakeCommand(name))));
    else if (kind === "start") start();
    else if (error && kind.startsWith("error")) failed(error);
    else if (kind.startsWith("none")) nothing();
    else fill(panel);
    return kind !== "";
  }

  function start() {
    const shown = lake.sources.flatMap(({ name, newest_frame }) => (newest_frame ? [{ name, newest_frame }] : [])).slice(0, NEWEST);
    fill(
      panel,
      h("h2", {}, words.startTitle), h("p", {}, words.startText),
      h("div", { class: "starts" }, ...shown.map((each) => {
        const image = h("img", { alt: "", loading: "lazy", src: stillUrl(each.newest_frame, { width: 480, height: 360, from: "thumbnail" }) });
        return h("button", { type: "button", title: each.name, onclick: () => { store.change({ still: each.newest_frame }); /** @type {HTMLElement|null} */ (document.querySelector(".canvas"))?.focus(); } }, image, h("span", {}, each.name));
      })),
    );
  }

  /** @param {import("../core/api.js").ApiError} error */
  function failed(error) {
    const { question } = store;
    const unknownSource = error.status === 404 && question.sources.length > 0;
    const example = error.status === 404 && question.example !== null && !unknownSource;
    fill(
      panel,
      h("h2", {}, words.failed), h("p", {}, example ? words.exampleGone : error.message || words.gone),
      h("p", { class: "choices" },
        unknownSource ? button(words.allSources, { sources: [] }) : null,
        example ? button(words.dropExample, { example: null }) : null,
        error.status >= 429 || error.status === 0 ? h("button", { type: "button", onclick: again }, words.askAgain) : null,
        h("button", { type: "button", onclick: () => store.clear() }, words.clearSearch),
      ),
    );
  }

  async function nothing() {
    const controller = (loosening = new AbortController());
    const list = h("p", { class: "choices" });
    const text = h("p", {}, words.noneText);
    fill(panel, h("h2", {}, words.none), text, list);
    let found;
    try {
      found = await counted(store.question, { confidence: lake.confidence !== false, signal: controller.signal });
    } catch (error) {
      if (controller.signal.aborted) return;
      throw error;
    }
    if (controller.signal.aborted) return;
    if (!found.length) text.textContent = words.noneNothing;
    fill(
      list,
      ...found.map((each) => h("button", { type: "button", onclick: () => store.change(each.patch) }, h("b", {}, words.wouldFind(each.count, each.most)), ` ${each.name}`)),
      h("button", { type: "button", onclick: () => store.clear() }, words.clearSearch),
    );
  }

  return {
    lines, panel, drawLines, drawPanel,
    /** Says why an upload was refused. */
    refuse(sentence) { refusal = { sentence }; },
    forget() { refusal = null; },
    back() { returned = Date.now(); setTimeout(() => drawLines(null), 4100); },
  };
}
