/** Keys of the whole page. A field in which one writes, and the boxes that are drawn, keep theirs. */

import { writing } from "./core/dom.js";
import { placeNow, SEARCH, TIMELINE } from "./core/places.js";

const PAIR_MS = 1500;

/** @param {{store: import("./core/store.js").Store, room: any, timeline: any, viewer: any, field: any, help: any, nav: any, account: any, signIn: any}} given */
export function listen({ store, room, timeline, viewer, field, help, nav, account, signIn }) {
  let went = 0; // when G was pressed, after which a key goes to a room
  const undo = (act) => { if (act()) field.reset(); };
  const search = {
    f: () => selected((key) => room.find(key)), "+": () => selected((key) => room.judge(key, "like")), "-": () => selected((key) => room.judge(key, "unlike")), w: () => room.results.toggleWhole(),
    x: () => room.mark(false), X: () => room.mark(true), l: () => room.grid.step("ArrowRight"), j: () => room.grid.step("ArrowLeft"),
    Enter: () => selected((key) => store.show(key)),
  };
  const selected = (act) => { if (room.grid.selected) act(room.grid.selected.key); };

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]") || signIn.opened) return;
    const target = /** @type {Element} */ (event.target);
    if (event.key === "Escape") {
      if (help.close() || account.back() || viewer.back() || room.back() || leave(target)) event.preventDefault();
      return;
    }
    if (writing(target)) return;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
      undo(() => (event.shiftKey ? store.redo() : store.undo()));
      event.preventDefault();
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (handle(event, target)) event.preventDefault();
  });

  /** @returns {boolean} whether the key had a meaning */
  function handle(event, target) {
    const { key } = event;
    if (key === "/") { field.focus(); return true; }
    if (key === "?") { help.toggle(); return true; }
    if (key === "z" || key === "Z") { undo(() => (event.shiftKey ? store.redo() : store.undo())); return true; }
    const presses = target.matches?.("button, a[href], [role=menuitem], input");
    if (presses && (key === "Enter" || (key === " " && !target.matches(".open")))) return false;
    if (target.matches?.("input[type=range], input[type=radio]") && key.startsWith("Arrow")) return false;
    const plain = key.length === 1 && !event.shiftKey ? key.toLowerCase() : key;
    if (viewer.open) return viewer.key(plain);
    if (performance.now() - went < PAIR_MS) {
      went = 0;
      if (nav.key(plain)) return true;
    }
    if (plain === "g") { went = performance.now(); return true; }
    if (placeNow() === TIMELINE) return timeline.key(plain);
    if (placeNow() !== SEARCH) return false;
    if (key.startsWith("Arrow")) return (target === document.body || target.closest(".grid") !== null) && room.grid.step(key);
    if (key in search) { search[key](); return true; }
    return false;
  }

  function leave(target) {
    if (target === document.body) return false;
    /** @type {HTMLElement} */ (target).blur();
    return true;
  }
}
