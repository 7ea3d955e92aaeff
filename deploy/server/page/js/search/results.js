/** The moments: how many, their order and groups, the grid, and what is said where there are none. */

import { h, say, set, show } from "../core/dom.js";
import { FEW, MOST } from "../core/question.js";
import { words } from "../words.js";

const SLOW_MS = 300;

/** @param {import("../core/store.js").Store} store @param {{grid: any, lanes: any, states: any}} parts */
export function makeResults(store, { grid, lanes, states }) {
  const count = h("b", {}), about = h("span", {});
  const choice = (name, options, field) => {
    const select = h(
      "select", { class: "button", "aria-label": name, onchange: () => store.change({ [field]: select.value }) },
      ...Object.entries(options).map(([value, text]) => h("option", { value }, `${name}: ${text}`)),
    );
    return select;
  };
  const order = choice(words.order, words.orders, "order"), group = choice(words.group, words.groups, "group");
  const whole = h("button", { type: "button", title: words.wholeTitle, "aria-pressed": "false", onclick: () => toggleWhole() }, words.wholeFrames);
  const bar = h("div", { class: "progress", hidden: true });
  const more = h("button", { type: "button", class: "show-more", onclick: () => store.change({ count: MOST }) }, words.showMore(MOST));
  const head = h("div", { class: "results-head" }, h("h2", { class: "count", "aria-live": "polite" }, count, about), h("div", { class: "choices" }, whole, order, group));
  const scroll = h("div", { class: "scroll" }, head, states.lines, states.panel, grid.element, more);
  const element = h("section", { class: "results", "aria-label": words.results }, bar, scroll, lanes.element);
  let slow = 0;

  function toggleWhole() {
    grid.state.whole = !grid.state.whole;
    set(whole, "aria-pressed", String(grid.state.whole));
    grid.paint();
  }

  /** @param {Api.SearchAnswer|null} answer the last one @param {number} tookMs @param {import("../core/api.js").ApiError|null} error */
  function draw(answer, tookMs, error) {
    states.drawLines(answer);
    const instead = states.drawPanel(answer, error);
    const shown = answer !== null && !instead;
    show(head, shown);
    show(grid.element, shown);
    order.value = store.question.order;
    group.value = store.question.group;
    const full = shown && answer.hits.length >= store.question.count;
    show(more, full && store.question.count === FEW);
    if (shown) {
      say(count, words.moments(answer.hits.length, full));
      const visits = answer.groups.length ? [words.visits(answer.groups.length)] : [];
      say(about, [...visits, words.took(tookMs), answer.exact ? words.exact : words.approximate].join(" · "));
    }
    lanes.draw(shown ? grid.items : []);
  }

  /** A bar after a while, never over the answers. @param {boolean} busy */
  function busy(busy) {
    if (!busy) {
      clearTimeout(slow);
      slow = 0;
      show(bar, false);
    } else if (!slow) slow = setTimeout(() => show(bar, true), SLOW_MS);
  }

  return { element, draw, busy, toggleWhole };
}
