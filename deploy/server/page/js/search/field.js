/** The search field: words, an example as a chip, and pictures that are dropped, pasted or chosen. */

import * as api from "../core/api.js";
import { fill, h, show } from "../core/dom.js";
import { judges } from "../core/question.js";
import { words } from "../words.js";

const PAUSE_MS = 160;
const STEP_MS = 900; // a pause after which what is typed is one step of the history

/** @param {import("../core/store.js").Store} store @param {{refused: (sentence: string) => void, pick: (example: any) => void}} calls */
export function makeField(store, { refused, pick }) {
  const input = h("input", {
    type: "search", class: "words", placeholder: words.ask, "aria-label": words.ask, autocomplete: "off", spellcheck: "false", maxlength: 4096, enterkeyhint: "search",
    oninput: () => typed(),
    onkeydown: (event) => {
      if (event.key === "Enter") commit();
      else if (event.key === "Escape") input.blur();
      else if (event.key === "ArrowDown") /** @type {HTMLElement|null} */ (document.querySelector(".grid .open[tabindex='0']"))?.focus();
      else return;
      event.preventDefault();
      event.stopPropagation();
    },
    onblur: () => commit(),
  });
  const chips = h("div", { class: "examples" });
  const file = h("input", { type: "file", accept: "image/*", hidden: true, "aria-label": words.askPicture, onchange: () => use(file.files?.[0]) });
  const choose = h("button", { type: "button", class: "icon", title: words.askPicture, "aria-label": words.askPicture, onclick: () => file.click() }, pictureIcon());
  const clear = h("button", { type: "button", class: "icon clear", title: words.clearText, "aria-label": words.clearText, onclick: () => { store.change({ text: "", example: null, like: [], unlike: [] }); input.focus(); } }, "×");
  const element = h("div", { class: "field", role: "search" }, input, chips, choose, clear, h("kbd", { "aria-hidden": "true" }, "/"), file);
  let pause = 0;

  function typed() {
    clearTimeout(pause);
    pause = setTimeout(() => {
      store.change({ text: input.value }, "type");
      pause = setTimeout(commit, STEP_MS);
    }, PAUSE_MS);
  }

  function commit() {
    clearTimeout(pause);
    if (input.value !== store.question.text) store.change({ text: input.value });
    else store.commit();
  }

  /** Searches with a picture of the user. */
  async function use(chosen) {
    file.value = "";
    if (!chosen) return;
    try {
      const { id } = await api.upload(chosen);
      store.change({ example: { kind: "image", id, roi: null, elsewhere: false } });
    } catch (error) {
      if (!(error instanceof api.ApiError)) throw error;
      refused(error.gone ? words.gone : words.wrongUpload(chosen.name, error.message));
    }
  }

  function draw() {
    const { text, example, like, unlike } = store.question;
    if (input.value !== text && document.activeElement !== input) input.value = text;
    show(clear, text !== "" || example !== null || judges(store.question));
    const key = JSON.stringify([example, like, unlike]);
    if (chips.dataset.key === key) return;
    chips.dataset.key = key;
    fill(chips, example ? chip(example) : null, ...like.map((each) => judgement("like", each)), ...unlike.map((each) => judgement("unlike", each)));
  }

  /** What was judged, as a chip that gives it up. @param {"like"|"unlike"} how @param {string} token */
  function judgement(how, token) {
    const [id, whole] = token.split("."), size = { width: 64, height: 64 };
    const label = how === "like" ? words.dropLike : words.dropUnlike;
    return h(
      "span", { class: `example judged ${how}` },
      h("b", { "aria-hidden": "true" }, how === "like" ? "+" : "\u2212"),
      h("img", { src: whole ? api.stillUrl(id, size) : api.regionUrl(id, { ...size, fill: 0.9 }), alt: how === "like" ? words.liked : words.unliked, onerror: (event) => event.target.classList.add("missing") }),
      h("button", { type: "button", "aria-label": label, title: label, onclick: () => store.change({ [how]: store.question[how].filter((each) => each !== token) }) }, "\u00d7"),
    );
  }

  function chip(example) {
    const picture = example.kind === "image" ? api.pictureUrl(example.id, 64) : api.stillUrl(example.id, { width: 64, height: 64, box: example.roi?.join(",") ?? null, fill: 0.9 });
    const name = example.kind === "image" ? (example.roi || example.pick ? words.likePart : words.likePicture) : example.elsewhere ? words.findingThis : words.likeThis;
    return h(
      "span", { class: "example" },
      h("button", { type: "button", class: "picking", title: words.pickTitle, onclick: () => pick(example) }, h("img", { src: picture, alt: "", onerror: (event) => event.target.classList.add("missing") }), name),
      h("button", { type: "button", "aria-label": words.dropExample, title: words.dropExample, onclick: () => store.change({ example: null }) }, "×"),
    );
  }

  /** Shows the words of the question, also while the field has the focus: after undo. */
  function reset() {
    clearTimeout(pause);
    input.value = store.question.text;
  }

  return { element, draw, use, reset, focus: () => { input.focus(); input.select(); } };
}

function pictureIcon() {
  return h(
    "svg:svg", { viewBox: "0 0 20 20", width: 18, height: 18, "aria-hidden": "true", class: "line-icon" },
    h("svg:rect", { x: 2.5, y: 3.5, width: 15, height: 13, rx: 2 }), h("svg:circle", { cx: 7, cy: 8, r: 1.5 }),
    h("svg:path", { d: "M3 15l4.5-4 3 2.5L14 10l3.5 3.5" }),
  );
}
