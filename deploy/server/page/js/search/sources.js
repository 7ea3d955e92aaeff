/** Sources: those that are searched, as chips. */

import { fill, h, say, show } from "../core/dom.js";
import { words } from "../words.js";

const FIRST = 6;

/** @param {import("../core/store.js").Store} store @param {import("../lake.js").Lake} lake */
export function makeSources(store, lake) {
  const value = h("output", {});
  const chips = h("div", { class: "chips" });
  const element = h("section", { class: "sources", "aria-label": words.sources }, h("div", { class: "line" }, h("h2", {}, words.sources), value), chips);
  let all = false;
  let made = "";

  /** @param {string} id */
  function toggle(id) {
    const { sources } = store.question;
    store.change({ sources: sources.includes(id) ? sources.filter((each) => each !== id) : [...sources, id] });
  }

  function draw() {
    const { sources } = store.question;
    const known = lake.sources.filter((each) => each.keyframes > 0);
    show(element, known.length > 1);
    say(value, sources.length ? words.sourcesSome(sources.length, known.length) : words.sourcesAll(known.length));
    const key = JSON.stringify([lake.made, sources, all]);
    if (key === made) return;
    made = key;
    const chosen = known.filter((each) => sources.includes(each.id));
    const shown = all || known.length <= FIRST + 1 ? known : [...chosen, ...known.filter((each) => !sources.includes(each.id))].slice(0, Math.max(FIRST, chosen.length));
    const focused = document.activeElement?.getAttribute("data-source");
    const more = known.length - shown.length;
    fill(
      chips,
      ...shown.map((each) =>
        h("button", { type: "button", class: "chip", "data-source": each.id, "aria-pressed": String(sources.includes(each.id)), title: each.name, onclick: () => toggle(each.id) }, each.name),
      ),
      more || all
        ? h("button", { type: "button", class: "chip more", "aria-expanded": String(all), onclick: () => { all = !all; draw(); } }, all ? words.sourcesLess : words.sourcesMore(more))
        : null,
    );
    if (focused) chips.querySelector(`[data-source="${CSS.escape(focused)}"]`)?.focus();
  }
  return { element, draw };
}
