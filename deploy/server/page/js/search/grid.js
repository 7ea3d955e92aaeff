/**
 * The grid of moments. Only what is near the window exists; a card keeps its element while it is an answer, so that it slides
 * where its rank changed and stays where it did not.
 */

import { h, perFrame, say } from "../core/dom.js";
import { boxOf, tokenOf, zoneOf } from "../core/question.js";
import { arranged, laidOut } from "./arrangement.js";
import { makeCard } from "./card.js";

const NEAR = 0.75; // of the window, above and below it
const FAST = 1.2; // windows a frame: nothing new is made
const RING_MS = 3000;

/**
 * @param {{store: import("../core/store.js").Store, lake: import("../lake.js").Lake, pictures: import("../core/pictures.js").Pictures, open: (key: string) => void, find: (key: string) => void, more: (key: string) => void, less: (key: string) => void}} given
 */
export function makeGrid({ store, lake, pictures, open, find, more, less }) {
  const element = h("div", { class: "grid" });
  /** @type {Map<string, ReturnType<typeof makeCard>>} */
  const cards = new Map();
  /** @type {Map<string, HTMLElement>} */
  const heads = new Map();
  let answer = /** @type {import("./arrangement.js").Answered} */ ({ hits: [], groups: [] }), arrangement = arranged(answer, "none"), layout = laidOut(arrangement, 1000);
  let width = 0, lastTop = 0, settle = 0, ringTimer = 0;
  const state = { selected: /** @type {string|null} */ (null), ringed: /** @type {string|null} */ (null), marked: new Set(), whole: false, dragging: false };

  const render = perFrame(paint);
  document.addEventListener("scroll", render, { capture: true, passive: true });
  new ResizeObserver(() => {
    const next = element.clientWidth;
    if (next === width || !next) return;
    width = next;
    element.classList.add("at-once");
    arrange();
    requestAnimationFrame(() => element.classList.remove("at-once"));
  }).observe(element);

  function arrange() {
    arrangement = arranged(answer, store.question.group);
    layout = laidOut(arrangement, width || 1000);
    element.style.height = `${layout.height}px`;
    paint();
  }

  function paint() {
    if (!element.isConnected || !width) return;
    const { top } = element.getBoundingClientRect(), tall = innerHeight;
    const fast = Math.abs(top - lastTop) > FAST * tall;
    lastTop = top;
    clearTimeout(settle);
    pictures.hold(fast || state.dragging);
    if (fast) settle = setTimeout(() => { pictures.hold(state.dragging); render(); }, 90);
    const from = -top - NEAR * tall, to = -top + (1 + NEAR) * tall;
    const box = boxOf(store.question), zone = zoneOf(store.question);
    const liked = new Set(store.question.like), unliked = new Set(store.question.unlike);
    const present = new Set(), tabbable = layout.boxes.some((each) => each.item.key === state.selected) ? state.selected : layout.boxes[0]?.item.key;
    for (const each of layout.boxes) {
      const { key } = each.item;
      if ((each.y + each.height < from || each.y > to) && key !== state.selected) continue;
      let card = cards.get(key);
      if (!card && fast) continue;
      present.add(key);
      const fresh = !card;
      if (!card) cards.set(key, (card = makeCard({ pictures, lake, open, find, more, less })));
      card.draw(each.item, {
        width: each.width, whole: state.whole, box, zone, selected: key === state.selected, marked: state.marked.has(key),
        judged: liked.has(tokenOf(each.item.hit)) ? "like" : unliked.has(tokenOf(each.item.hit)) ? "unlike" : null,
        ringed: key === state.ringed, tabbable: key === tabbable,
      });
      const { style } = card.element;
      style.width = `${each.width}px`;
      style.height = `${each.height}px`;
      style.transform = `translate(${each.x}px, ${each.y}px)`;
      if (fresh) element.append(card.element);
    }
    for (const [key, card] of cards) {
      if (!present.has(key)) {
        card.drop();
        card.element.remove();
        cards.delete(key);
      }
    }
    paintHeads(from, to);
  }

  /** @param {number} from @param {number} to */
  function paintHeads(from, to) {
    const present = new Set();
    for (const each of layout.heads) {
      if (each.y < from - 40 || each.y > to) continue;
      present.add(each.name);
      const head = heads.get(each.name) ?? h("h3", { class: "group-head" }, h("b", {}), h("span", {}));
      if (!heads.has(each.name)) {
        heads.set(each.name, head);
        element.append(head);
      }
      say(head.firstChild, each.name);
      say(head.lastChild, each.line);
      head.style.transform = `translateY(${each.y}px)`;
    }
    for (const [name, head] of heads) if (!present.has(name)) { head.remove(); heads.delete(name); }
  }

  /** Scrolls to a card. @param {string} key @param {ScrollLogicalPosition} [block] */
  function reveal(key, block = "nearest") {
    const found = layout.boxes.find((each) => each.item.key === key);
    if (!found) return;
    paint();
    cards.get(key)?.element.scrollIntoView({ block });
    paint();
  }

  function select(key, { focus = true } = {}) {
    state.selected = key;
    if (key === null) return paint();
    reveal(key);
    if (focus) cards.get(key)?.focus();
  }

  /** Moves the selection by keys. Returns whether it moved. @param {string} key */
  function step(key) {
    const { boxes } = layout;
    if (!boxes.length) return false;
    const at = boxes.findIndex((each) => each.item.key === state.selected);
    if (at < 0) { select(boxes[0].item.key); return true; }
    let next = at;
    if (key === "ArrowLeft") next = at - 1;
    else if (key === "ArrowRight") next = at + 1;
    else {
      const here = boxes[at], row = here.row + (key === "ArrowDown" ? 1 : -1), middle = here.x + here.width / 2;
      const gap = (each) => Math.abs(each.x + each.width / 2 - middle);
      const inRow = boxes.filter((each) => each.row === row);
      if (inRow.length) next = boxes.indexOf(inRow.reduce((best, each) => (gap(each) < gap(best) ? each : best)));
    }
    if (next === at || !boxes[next]) return false;
    select(boxes[next].item.key);
    return true;
  }

  /** Rings the card one came from. @param {string} key */
  function ring(key) {
    clearTimeout(ringTimer);
    state.ringed = key;
    ringTimer = setTimeout(() => { state.ringed = null; paint(); }, RING_MS);
    select(key);
  }

  element.addEventListener("focusin", (event) => {
    const key = event.target.closest?.("article")?.dataset.key;
    if (key && key !== state.selected) { state.selected = key; paint(); }
  });

  return {
    element, state, select, step, ring, paint,
    /** Shows another answer. @param {import("./arrangement.js").Answered} next */
    show(next) {
      answer = next;
      if (!answer.hits.length) state.selected = null;
      arrange();
    },
    arrange,
    get items() { return arrangement.items; },
    get selected() { return arrangement.items.find((each) => each.key === state.selected) ?? null; },
    find: (key) => arrangement.items.find((each) => each.key === key) ?? null,
  };
}
