/** A report of a search: one HTML file with its pictures in it, without scripts, to be handed to somebody else. */

import { stillUrl } from "../core/api.js";
import { when, whenFully } from "../core/format.js";
import { cornersOf } from "../core/polygon.js";
import { boxOf, zoneOf } from "../core/question.js";
import { words } from "../words.js";
import { closeUpOf } from "./closeup.js";

const AT_ONCE = 3;
const WIDTH_PX = 320;
const STYLE = `
body { max-width: 1100px; margin: 32px auto; padding: 0 20px; color: #14191f; font: 14px/20px system-ui, sans-serif; font-variant-numeric: tabular-nums; }
h1 { font-size: 22px; } dl { display: grid; grid-template-columns: 120px 1fr; gap: 4px 12px; } dt { color: #56616c; } dd { margin: 0; }
.asked { position: relative; width: 320px; margin: 0 0 16px; } .asked img { display: block; width: 100%; border-radius: 8px; }
.asked svg { position: absolute; inset: 0; width: 100%; height: 100%; } .asked polygon { fill: rgb(255 157 0 / 20%); stroke: #ff9d00; stroke-width: 2; vector-effect: non-scaling-stroke; stroke-dasharray: 6 4; }
.hits { display: grid; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); gap: 12px; padding: 0; list-style: none; }
.hits li { overflow: hidden; border: 1px solid #d8dee4; border-radius: 10px; break-inside: avoid; } .shot { position: relative; aspect-ratio: 4 / 3; background: #000; }
.shot img { width: 100%; height: 100%; object-fit: contain; } .shot span { position: absolute; border: 2px solid #00b4e6; outline: 1px solid rgb(0 0 0 / 70%); border-radius: 3px; }
.hits p { margin: 8px 10px; } .hits small { color: #56616c; overflow-wrap: anywhere; }`;

/** @param {string} text */
const escaped = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
/** @param {number} share */
const percent = (share) => `${(share * 100).toFixed(2)}%`;

/** A picture as an address that holds it; empty where there is none any more. @param {string} url */
async function embedded(url) {
  try {
    const answer = await fetch(url);
    if (!answer.ok) return "";
    const bytes = new Uint8Array(await answer.arrayBuffer());
    let text = "";
    for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
    return `data:image/jpeg;base64,${btoa(text)}`;
  } catch {
    return ""; // the server is gone; the page says so, and the report has what came before
  }
}

/**
 * @param {{question: import("../core/question.js").Question, answer: Api.SearchAnswer, hits: Api.Hit[], lake: import("../lake.js").Lake, still: string|null}} about
 *   still: the keyframe on which the place was drawn
 * @returns {Promise<string>} HTML
 */
export async function report({ question, answer, hits, lake, still }) {
  const cards = hits.map(() => "");
  let next = 0;
  const work = async () => {
    while (next < hits.length) {
      const at = next++;
      cards[at] = await card(hits[at], lake);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const name = lake.status?.lake.name ?? "";
  const rows = [
    [words.reportAsked, question.text.trim() || (question.example ? words.likeThis : words.reportPlace)],
    question.sure !== null ? [words.sure, words.sureValue(question.sure)] : null,
    question.since !== null || question.until !== null ? [words.when, words.range(question.since ?? "…", question.until ?? "…")] : null,
    question.sources.length ? [words.sources, question.sources.map((id) => lake.source(id)?.name ?? id).join(", ")] : null,
    [words.reportFound, `${words.moments(hits.length, false)} · ${answer.exact ? words.exact : words.approximate}`],
    [words.reportLake, `${name} · ${new Date().toLocaleString("en")}`],
  ].filter((row) => row !== null);
  const title = words.reportTitle(String(rows[0][1]));
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escaped(title)}</title><style>${STYLE}</style></head>
<body><h1>${escaped(title)}</h1>
${await asked(question, still)}<dl>${rows.map(([term, text]) => `<dt>${escaped(term)}</dt><dd>${escaped(text)}</dd>`).join("")}</dl>
<ol class="hits">
${cards.join("\n")}
</ol></body></html>
`;
}

/** The place that was drawn, on its still. @param {import("../core/question.js").Question} question @param {string|null} still */
async function asked(question, still) {
  const box = boxOf(question), corners = zoneOf(question) ?? (box ? cornersOf(box) : null);
  if (!corners || !still) return "";
  const picture = await embedded(stillUrl(still, { width: WIDTH_PX }));
  return `<figure class="asked"><img alt="" src="${picture}"><svg viewBox="0 0 1 1" preserveAspectRatio="none"><polygon points="${corners.map(([x, y]) => `${x},${y}`).join(" ")}"/></svg></figure>\n`;
}

/** @param {Api.Hit} hit @param {import("../lake.js").Lake} lake */
async function card(hit, lake) {
  const shown = closeUpOf(hit, { aspect: lake.aspect(hit.source_id), width: WIDTH_PX / Math.min(devicePixelRatio, 2), whole: false });
  const [x0, y0, x1, y1] = shown.box;
  const sure = hit.confidence === null || hit.confidence === undefined ? words.reportDistance(hit.distance) : words.sureLong(hit.confidence);
  const place = `left:${percent(x0)};top:${percent(y0)};width:${percent(x1 - x0)};height:${percent(y1 - y0)}`;
  return `<li><div class="shot"><img alt="" src="${await embedded(shown.urls[1])}"><span style="${place}"></span></div>
<p><b>${escaped(words.rank(hit.rank))}</b> · ${escaped(when(hit))} · ${escaped(sure)}<br>${escaped(hit.source)}<br><small>${escaped(whenFully(hit))}<br>${escaped(hit.frame_id)}</small></p></li>`;
}
