/** Facts of a moment, and what can be done with it. */

import { clipUrl, stillUrl } from "../core/api.js";
import { fill, h, say, set, show } from "../core/dom.js";
import { seconds, when, whenFully } from "../core/format.js";
import { alike } from "../core/geometry.js";
import { words } from "../words.js";
import { makeNaming } from "../choosing/naming.js";
import { makePinning } from "./pinning.js";

/** @typedef {import("../core/geometry.js").Box} Box */

const LONG_S = 10;

/** @param {{close: () => void, find: () => void, marked: () => void, name: (text: string) => void, later: () => void, judge: (how: "like"|"unlike") => void, still: () => void, boxes: () => void}} calls */
export function makeFacts({ close, find, marked, name, later, judge, still, boxes }) {
  const title = h("h2", {});
  const picture = h("img", { alt: "", class: "close-up" });
  const sure = h("b", {}), parts = h("span", {}), rank = h("span", {});
  const list = h("dl", {});
  const action = h("button", { type: "button", class: "accent", title: words.findThisTitle, onclick: find }, words.findElsewhere);
  const after = h("button", { type: "button", onclick: later }, words.findLater);
  const verdicts = h(
    "div", { class: "verdicts", hidden: true }, // until it is known which hit it is
    h("button", { type: "button", title: words.more, onclick: () => judge("like") }, words.moreLike),
    h("button", { type: "button", title: words.less, onclick: () => judge("unlike") }, words.lessLike),
  );
  const inBox = h("button", { type: "button", hidden: true, onclick: marked }, words.findMarked);
  const naming = makeNaming(name);
  const hint = h("p", { class: "muted" }, words.drawHere);
  const mode = h("button", { type: "button", title: words.boxesTitle, onclick: boxes }, words.boxes.some);
  const clip = h("a", { class: "button", download: "" }, words.clip(LONG_S));
  const jpeg = h("a", { class: "button", download: "" }, words.stillFile);
  const pinning = makePinning((sentence) => say(said, sentence));
  const said = h("p", { class: "said", role: "status" });
  const element = h(
    "aside", { class: "facts", "aria-label": words.viewer },
    h("div", { class: "line" }, title, h("button", { type: "button", class: "close", "aria-label": words.close, onclick: close }, "Esc ×")),
    h("div", { class: "who" }, picture, h("p", {}, sure, parts, rank)),
    list,
    h("div", { class: "doing" }, action, inBox, after, verdicts, hint, naming.element, mode, h("button", { type: "button", onclick: still }, words.useStill), clip, jpeg, pinning.element),
    said,
    h("p", { class: "keys" }, ...words.viewerKeys.flatMap(([keys, text], at) => [at ? " · " : null, ...keys.split(" ").map((key) => h("kbd", {}, key)), ` ${text}`])),
  );

  /** @param {{frame: Api.FrameAnswer, box: Box|null, item: import("../search/card.js").Item|null, total: number, drawn: Box|null, pick: import("../choosing/chooser.js").Pick|null, region: Api.RegionChoiceAnswer|null, mode: import("./overlay.js").Mode, also: string}} shown */
  function draw({ frame, box, item, total, drawn, pick, region, mode: boxMode, also }) {
    say(title, frame.source);
    set(title, "title", frame.source);
    const roi = drawn ?? box;
    show(picture, roi !== null);
    if (roi) set(picture, "src", stillUrl(frame.id, { width: 176, height: 240, box: roi.join(","), fill: 0.8 }));
    const hit = item?.hit;
    const known = hit && !drawn;
    const certain = known && hit.confidence !== null && hit.confidence !== undefined;
    say(sure, certain ? words.sureLong(hit.confidence) : drawn ? words.drawnTitle : when(frame));
    const distances = known ? [hit.semantic === null ? null : words.meaning(hit.semantic), hit.geometric === null ? null : words.place(hit.geometric)].filter(Boolean) : [];
    say(parts, distances.join(" · "));
    say(rank, known ? words.rankOf(hit.rank, total) : "");
    const stored = box && frame.regions.find((each) => alike(each.box, box));
    const visit = item?.visit?.group;
    const rows = [
      [words.facts.at, whenFully(frame)],
      visit && visit.ranks.length > 1 ? [words.facts.track, words.seen(seconds(visit.start_s), seconds(visit.stop_s), visit.ranks.length)] : null,
      hit?.shot_s ? [words.facts.shot, words.range(seconds(hit.shot_s[0]), seconds(hit.shot_s[1]))] : null,
      stored?.label ? [words.facts.label, stored.label] : null,
      stored?.verdict ? [words.facts.said, stored.human_label ?? words.saidWrong] : null,
      also ? [words.facts.also, also] : null,
    ].filter((row) => row !== null);
    fill(list, ...rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
    say(action, pick && !pick.box ? words.findMarked : drawn ? words.findDrawn : words.findElsewhere);
    show(inBox, Boolean(pick?.box && region));
    action.disabled = after.disabled = roi === null || (pick !== null && drawn === null);
    show(verdicts, hit !== undefined && !drawn);
    say(mode, words.boxes[boxMode]);
    show(clip, frame.clip_s !== null);
    if (frame.clip_s !== null) set(clip, "href", clipUrl(frame.id, LONG_S));
    set(jpeg, "href", stillUrl(frame.id));
    pinning.follow(frame.id);
  }

  return { element, draw, pin: pinning.toggle, say: (text) => say(said, text), focus: () => element.querySelector(".close").focus() };
}
