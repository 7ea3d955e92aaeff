/**
 * A watch that is being looked at or made: what is asked, and which hits it reports.
 *
 * @typedef {object} Draft
 * @property {string|null} name of a saved watch; null for a new one
 * @property {string} title
 * @property {import("../core/question.js").Question} question
 * @property {"confidence"|"distance"} by what decides
 * @property {number} limit least confidence, or largest distance
 * @property {number} cooldown_s
 * @property {number} stay_s
 * @property {string|null} hours such as `mon-fri 20:00-06:00 Europe/Berlin`
 * @property {boolean} paused
 */

import { byMeaning, EMPTY, ofWatched, toWatched } from "../core/question.js";
import { words } from "../words.js";

const SURE = 0.5, NEAR = 0.5, LIKE = 0.7;

/**
 * A draft of a question of the search room; it changes what the watch `before` asks, if there is one.
 * @param {import("../core/question.js").Question} question
 * @param {{confidence: boolean|null, before?: Draft|null}} given
 * @returns {Draft}
 */
export function draftOf(question, { confidence, before = null }) {
  const by = byMeaning(question) && confidence !== false ? "confidence" : "distance";
  const known = before && before.by === by ? before.limit : null;
  return {
    name: before?.name ?? null,
    title: before?.title ?? titled(question),
    question: { ...question, since: null, until: null, watch: null },
    by,
    limit: (by === "confidence" ? question.sure : null) ?? known ?? (by === "confidence" ? SURE : byMeaning(question) ? LIKE : NEAR),
    cooldown_s: before?.cooldown_s ?? 60,
    stay_s: before?.stay_s ?? 0,
    hours: before?.hours ?? null,
    paused: before?.paused ?? false,
  };
}

/** The draft of a saved watch, as `/api/watches` lists it. @param {Api.WatchAnswer} watch @returns {Draft} */
export function draftOfWatch(watch) {
  const { name, title, max_distance, cooldown_s, stay_s, hours, paused } = watch;
  const question = ofWatched(watch.query);
  const by = max_distance === null ? "confidence" : "distance";
  return { name, title, question, by, limit: max_distance ?? question.sure ?? SURE, cooldown_s, stay_s, hours, paused };
}

/** The body of a rehearsal. @param {Draft} draft */
export function toRehearsal({ question, by, limit, cooldown_s, stay_s, hours }) {
  const query = toWatched(question);
  return { query: by === "confidence" ? { ...query, min_confidence: limit } : query, max_distance: by === "distance" ? limit : null, cooldown_s, stay_s, hours };
}

/** The body that saves it. @param {Draft} draft */
export const toBody = (draft) => ({ ...toRehearsal(draft), title: draft.title.trim() || words.watchUntitled, paused: draft.paused });

/** Whether two drafts are the same watch. @param {Draft} a @param {Draft} b */
export const same = (a, b) => JSON.stringify([a.name, toBody(a)]) === JSON.stringify([b.name, toBody(b)]);

/** The question with which the search room edits a watch. @param {Draft} draft */
export const questionOf = (draft) => ({ ...EMPTY, ...draft.question, sure: draft.by === "confidence" ? draft.limit : null, watch: draft.name });

/** @param {import("../core/question.js").Question} question */
function titled(question) {
  const text = question.text.trim();
  if (text) return text[0].toUpperCase() + text.slice(1);
  return question.example ? words.watchPicture : words.watchPlace;
}
