/** The field in which a user names a thing that a picture shows. */

import { h } from "../core/dom.js";
import { words } from "../words.js";

/** @param {(text: string) => void} named */
export function makeNaming(named) {
  const text = h("input", { type: "text", class: "clock-field", "aria-label": words.pickWords, placeholder: words.pickWords, maxlength: 400, autocomplete: "off" });
  const element = h("form", { class: "pick-words", onsubmit: (event) => { event.preventDefault(); named(text.value); } }, text, h("button", { type: "submit" }, words.pickGo));
  return { element, clear: () => { text.value = ""; } };
}
