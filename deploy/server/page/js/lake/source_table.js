/** The sources: what each is, how much of it is in the lake, since when; and inputs that could not be read. */

import { fill, h, say, show } from "../core/dom.js";
import { dayAndClock, seconds } from "../core/format.js";
import { words } from "../words.js";

const FEW = 50;

/** @param {{open: (source: Api.SourceAnswer) => void}} given */
export function makeSourceTable({ open }) {
  let all = false, listed = /** @type {Api.SourceAnswer[]} */ ([]);
  const count = h("span", { class: "muted" }), body = h("tbody", {});
  const more = h("button", { type: "button", onclick: () => { all = true; fillTable(); } });
  const head = h("thead", {}, h("tr", {}, ...words.sourceColumns.map((name) => h("th", { scope: "col" }, name))));
  const refusals = h("ul", { class: "said-list" }), refused = h("section", { class: "refused-inputs", "aria-label": words.refusals, hidden: true }, h("h3", {}, words.refusals, " ", h("span", { class: "muted" })), refusals);
  const element = h("section", { class: "source-list", "aria-label": words.sources, hidden: true }, h("h3", {}, words.sources, " ", count), h("div", { class: "table-scroll", tabindex: 0, role: "region", "aria-label": words.sources }, h("table", {}, head, body)), more);

  /** @param {Api.SourceAnswer} source */
  function span(source) {
    if (source.start) return words.range(dayAndClock({ time: source.start, pts_s: 0 }), dayAndClock({ time: source.stop, pts_s: 0 }));
    const { kind, start_s, stop_s } = source;
    return kind === "picture" || start_s === null || stop_s === null ? "" : words.range(seconds(start_s), seconds(stop_s));
  }

  /** @param {Api.SourceAnswer} source */
  function row(source) {
    const name = source.keyframes ? h("button", { type: "button", class: "link", onclick: () => open(source) }, source.name) : source.name;
    const size = source.width_px ? `${source.width_px} × ${source.height_px}` : "";
    return h(
      "tr", {},
      h("th", { scope: "row", title: source.name }, name), h("td", {}, words.kinds[source.kind] ?? source.kind), h("td", {}, words.sourceStates[source.state] ?? source.state),
      h("td", { class: "number" }, source.keyframes.toLocaleString("en")), h("td", {}, size), h("td", {}, span(source)),
    );
  }

  function fillTable() {
    fill(body, ...(all ? listed : listed.slice(0, FEW)).map(row));
    show(more, !all && listed.length > FEW);
    say(more, words.allOf(listed.length));
  }

  /** @param {Api.SourceAnswer[]} sources @param {Api.StatusAnswer} status */
  function draw(sources, status) {
    listed = sources;
    show(element, sources.length > 0);
    say(count, sources.length.toLocaleString("en"));
    fillTable();
    const { refusals: found } = status.lake;
    show(refused, found.length > 0);
    say(refused.querySelector("span"), found.length.toLocaleString("en"));
    fill(refusals, ...found.map((each) => h("li", {}, each.error.startsWith(each.source) ? null : h("b", {}, each.source, " "), each.span_s ? `${words.range(seconds(each.span_s[0]), seconds(each.span_s[1]))} ` : "", h("span", { class: "muted" }, each.error))));
  }

  return { element, refused, draw };
}
