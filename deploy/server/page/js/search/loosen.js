/** Which condition excluded how many: the same question without each of its conditions. */

import { ApiError, search } from "../core/api.js";
import { asks, byMeaning, judges, placed, toQuery } from "../core/question.js";
import { words } from "../words.js";

const ENOUGH = 200;

/** The question without each of its conditions. @param {import("../core/question.js").Question} question */
function looser(question) {
  const found = [];
  const without = (name, patch) => {
    if (asks({ ...question, ...patch })) found.push({ name, patch });
  };
  if (question.sure !== null && byMeaning(question)) without(words.without.sure(question.sure), { sure: null });
  if (question.since !== null || question.until !== null) without(words.without.time, { since: null, until: null });
  if (question.sources.length) without(words.without.sources, { sources: [] });
  if (placed(question)) without(question.mode === "zone" ? words.without.zone : words.without.box, { mode: "anywhere" });
  if (question.text.trim()) without(words.without.text, { text: "" });
  if (question.example) without(words.without.example, { example: null });
  if (judges(question)) without(words.without.judged, { like: [], unlike: [] });
  return found;
}

/**
 * How many moments each would find, those that find any.
 * @param {import("../core/question.js").Question} question @param {{confidence: boolean, signal: AbortSignal}} given
 */
export async function counted(question, { confidence, signal }) {
  const found = [];
  for (const each of looser(question)) {
    try {
      const answer = await search({ ...toQuery({ ...question, ...each.patch, count: ENOUGH }, { confidence }), group: "none" }, signal);
      if (answer.hits.length) found.push({ ...each, count: answer.hits.length, most: answer.hits.length === ENOUGH });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.gone) break;
    }
  }
  return found;
}
