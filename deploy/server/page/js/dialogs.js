/** The dialog that shows the keys. */

import { h } from "./core/dom.js";
import { words } from "./words.js";

export function makeHelp() {
  const element = h(
    "dialog", { class: "help", "aria-labelledby": "help-title" },
    h("div", { class: "line" }, h("h2", { id: "help-title" }, words.keysTitle), h("button", { type: "button", onclick: () => element.close() }, "Esc ×")),
    h("dl", {}, ...words.keyList.flatMap(([keys, text]) => [h("dt", {}, ...keys.split(" ").map((key) => h("kbd", {}, key))), h("dd", {}, text)])),
    h("p", { class: "muted" }, words.keysDraw),
  );
  element.addEventListener("click", (event) => { if (event.target === element) element.close(); });
  return {
    element,
    toggle: () => (element.open ? element.close() : element.showModal()),
    close: () => element.open && (element.close(), true),
  };
}
