/**
 * What is asked: the one state of the search room, its form in the address, and as a query of the API.
 *
 * @typedef {object} Example a part of a picture to look for
 * @property {"frame"|"image"} kind a keyframe of the lake, or an uploaded picture
 * @property {string} id
 * @property {import("./geometry.js").Box|null} roi
 * @property {boolean} elsewhere whether its own frame is excluded
 * @property {import("../choosing/chooser.js").Pick|null} [pick] what chooses the region of which `roi` is the box
 *
 * @typedef {object} Question
 * @property {string} text
 * @property {Example|null} example
 * @property {string[]} like what hits should resemble: ids of regions, or `ID.frame` of whole keyframes
 * @property {string[]} unlike what they should not resemble
 * @property {"anywhere"|"zone"|"here"} mode
 * @property {import("./geometry.js").Box|null} box
 * @property {import("./polygon.js").Zone|null} zone
 * @property {number} weight of meaning, in [0, 1]; the rest is place
 * @property {number|null} sure least confidence
 * @property {string|number|null} since a moment in UTC, or seconds within each source
 * @property {string|number|null} until
 * @property {string[]} sources ids; empty: all
 * @property {"relevance"|"newest"|"oldest"} order
 * @property {"none"|"source"|"visit"} group
 * @property {number} count number of hits at most
 * @property {string|null} watch the name of the watch that asks this, while its question is edited
 * @property {string|null} still the frame that is drawn on; null: the newest of the first source
 */

import { isZone } from "./polygon.js";

export const FEW = 200;
export const MOST = 1000;
export const MOST_JUDGED = 16; // liked, and not
const MOST_POINTS = 16;

/** @type {Readonly<Question>} */
export const EMPTY = Object.freeze({
  text: "", example: null, like: [], unlike: [], mode: "anywhere", box: null, zone: null, weight: 0.5, sure: null, since: null, until: null,
  sources: [], order: "relevance", group: "visit", count: FEW, watch: null, still: null,
});

/** Whether something is asked for. @param {Question} question */
export const asks = (question) => byMeaning(question) || placed(question);
/** @param {Question} question */
export const byMeaning = (question) => question.text.trim() !== "" || question.example !== null || question.like.length > 0;
/** Whether hits were judged. @param {Question} question */
export const judges = (question) => question.like.length + question.unlike.length > 0;
/** What is judged when a hit is. @param {{region_id: string|null, frame_id: string}} hit */
export const tokenOf = (hit) => hit.region_id ?? `${hit.frame_id}.frame`;
/** @param {string} token */
const idOf = (token) => token.split(".")[0];
/** The box that counts. @param {Question} question */
export const boxOf = (question) => (question.mode === "here" ? question.box : null);
/** The zone that counts. @param {Question} question */
export const zoneOf = (question) => (question.mode === "zone" ? question.zone : null);
/** Whether it is asked where. @param {Question} question */
export const placed = (question) => boxOf(question) !== null || zoneOf(question) !== null;

/**
 * The body of `POST /api/search`.
 * @param {Question} question
 * @param {{confidence: boolean}} model whether its hits have a confidence
 * @returns {Api.SearchBody}
 */
export function toQuery(question, { confidence }) {
  const { example } = question, box = boxOf(question), zone = zoneOf(question);
  /** @type {Api.SearchBody} */
  const query = { k: question.count, order: question.order, group: "visit" };
  if (question.text.trim()) query.text = question.text.trim();
  if (box) Object.assign(query, { box, weight: question.weight });
  if (zone) Object.assign(query, { zones: [zone], weight: question.weight });
  if (example) {
    query[example.kind] = example.id;
    if (example.pick) Object.assign(query, promptsOf(example.pick));
    else if (example.roi) query.roi = example.roi;
    if (example.elsewhere && example.kind === "frame") query.not_frames = [example.id];
  }
  if (question.like.length) query.like = question.like.map(idOf);
  if (question.unlike.length && asks(question)) query.unlike = question.unlike.map(idOf);
  if (question.sure !== null && confidence && byMeaning(question)) query.min_confidence = question.sure;
  if (question.since !== null) query.since = question.since;
  if (question.until !== null) query.until = question.until;
  if (question.sources.length) query.sources = question.sources;
  return query;
}

/** @typedef {Partial<Pick<Api.SearchBody, "points"|"not_points"|"prompt"|"prompt_box">>} Prompts what chooses a region */

/** What chooses a region, as options of a query. @param {import("../choosing/chooser.js").Pick} pick */
export function promptsOf({ points, not, text, box }) {
  /** @type {Prompts} */
  const prompts = {};
  if (points.length) prompts.points = points;
  if (not.length) prompts.not_points = not;
  if (text) prompts.prompt = text;
  if (box) prompts.prompt_box = box;
  return prompts;
}

/** The inverse; null where a query has none of them. @param {Prompts} prompts @returns {import("../choosing/chooser.js").Pick|null} */
const pickOf = ({ points = [], not_points = [], prompt = null, prompt_box = null }) =>
  (points.length || prompt || prompt_box ? { points, not: not_points, text: prompt, box: prompt_box } : null);

/** What a watch asks, as the query of its JSON: without a limit, a time, and how answers are arranged. @param {Question} question */
export function toWatched(question) {
  const { k, order, group, since, until, not_frames, min_confidence, like, unlike, ...query } = toQuery(question, { confidence: true });
  return query;
}

/** The question of a watch, from its JSON. @returns {Question} */
export function ofWatched(query) {
  const kind = query.image ? "image" : query.frame ? "frame" : null;
  const box = query.box ?? null, zone = query.zones?.[0] ?? null;
  return {
    ...EMPTY,
    text: query.text ?? "",
    example: kind ? { kind, id: query[kind], roi: query.roi ?? null, elsewhere: false, pick: pickOf(query) } : null,
    mode: box ? "here" : zone ? "zone" : "anywhere",
    box,
    zone,
    weight: query.weight ?? EMPTY.weight,
    sure: query.min_confidence ?? null,
    sources: query.sources ?? [],
  };
}

/** @param {string|null} text */
const box = (text) => {
  const sides = (text ?? "").split(",").map(Number);
  const valid = sides.length === 4 && sides.every((side) => side >= 0 && side <= 1) && sides[2] > sides[0] && sides[3] > sides[1];
  return valid ? /** @type {import("./geometry.js").Box} */ (sides) : null;
};
/** @param {string|null} text */
const zone = (text) => {
  const corners = /** @type {import("./polygon.js").Zone} */ ((text ?? "").split("_").map((corner) => corner.split(",").map(Number)));
  const valid = corners.every((corner) => corner.length === 2 && corner.every((side) => side >= 0 && side <= 1)) && isZone(corners);
  return valid ? corners : null;
};
/** @param {string[]} texts */
const points = (texts) => /** @type {import("./polygon.js").Zone} */ (texts.map((text) => text.split(",").map(Number)).filter((at) => at.length === 2 && at.every((side) => side >= 0 && side <= 1)).slice(0, MOST_POINTS));
/** @param {string[]} texts */
const judged = (texts) => texts.filter((text) => /^[0-9a-f]{32}(\.frame)?$/.test(text)).slice(0, MOST_JUDGED);
/** @param {string|null} text */
const share = (text) => (text !== null && text !== "" && +text >= 0 && +text <= 1 ? +text : null);
/** @param {string|null} text */
const moment = (text) => (text === null || text === "" ? null : Number.isFinite(+text) ? +text : Number.isNaN(Date.parse(text)) ? null : text);
const one = (text, choices, otherwise) => (choices.includes(text) ? text : otherwise);

/** The question in the search part of an address. Values that mean nothing are those of an empty question. @returns {Question} @param {string} search */
export function fromAddress(search) {
  const given = new URLSearchParams(search);
  const kind = given.has("frame") ? "frame" : given.has("image") ? "image" : null;
  return {
    text: given.get("q") ?? "",
    example: kind ? { kind, id: given.get(kind) ?? "", roi: box(given.get("roi")), elsewhere: given.has("elsewhere"), pick: pickOf({ points: points(given.getAll("point")), not_points: points(given.getAll("notpoint")), prompt: given.get("part"), prompt_box: box(given.get("partbox")) }) } : null,
    like: judged(given.getAll("like")),
    unlike: judged(given.getAll("unlike")),
    mode: one(given.get("where"), ["anywhere", "zone", "here"], given.has("box") ? "here" : given.has("zone") ? "zone" : "anywhere"),
    box: box(given.get("box")),
    zone: zone(given.get("zone")),
    weight: share(given.get("weight")) ?? EMPTY.weight,
    sure: share(given.get("sure")),
    since: moment(given.get("since")),
    until: moment(given.get("until")),
    sources: given.getAll("source").slice(0, 256),
    order: one(given.get("order"), ["relevance", "newest", "oldest"], EMPTY.order),
    group: one(given.get("group"), ["none", "source", "visit"], EMPTY.group),
    count: one(Number(given.get("count")), [FEW, MOST], FEW),
    watch: given.get("watch"),
    still: given.get("still"),
  };
}

/** @param {Question} question @param {string|null} open the open moment @param {string|null} view the part of the timeline @returns {string} such as `?q=a+bicycle`, or "" */
export function toAddress(question, open = null, view = null) {
  const given = new URLSearchParams();
  /** @param {string} name @param {string|number|null} value @param {string|number|null} [otherwise] what an address omits */
  const add = (name, value, otherwise = null) => {
    if (value !== null && value !== "" && value !== otherwise) given.append(name, String(value));
  };
  add("q", question.text);
  if (question.example) {
    add(question.example.kind, question.example.id);
    add("roi", question.example.roi?.join(",") ?? null);
    if (question.example.elsewhere) add("elsewhere", "1");
    for (const each of question.example.pick?.points ?? []) add("point", each.join(","));
    for (const each of question.example.pick?.not ?? []) add("notpoint", each.join(","));
    add("part", question.example.pick?.text ?? null);
    add("partbox", question.example.pick?.box?.join(",") ?? null);
  }
  for (const each of question.like) add("like", each);
  for (const each of question.unlike) add("unlike", each);
  add("where", question.mode, question.box ? "here" : question.zone ? "zone" : "anywhere");
  add("zone", question.zone?.map((corner) => corner.join(",")).join("_") ?? null);
  add("box", question.box?.join(",") ?? null);
  add("weight", question.weight, EMPTY.weight);
  add("sure", question.sure);
  add("since", question.since);
  add("until", question.until);
  for (const source of question.sources) add("source", source);
  add("order", question.order, EMPTY.order);
  add("group", question.group, EMPTY.group);
  add("count", question.count, FEW);
  add("watch", question.watch);
  add("still", question.still);
  add("view", view);
  add("open", open);
  const text = given.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
  return text ? `?${text}` : "";
}
