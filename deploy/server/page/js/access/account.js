/** Who is signed in: what they may not do is hidden, and they can sign out. */

import * as api from "../core/api.js";
import { h, say, set, show } from "../core/dom.js";
import { words } from "../words.js";

/** Every right that something of the page needs: elements name it in `data-needs`. */
const RIGHTS = ["watch", "pin", "pause", "feeds", "ingest"];
let held = new Set(RIGHTS);

/** Whether whoever uses the page has a right. @param {string} right */
export const may = (right) => held.has(right);

export function makeAccount() {
  const name = h("b", {}), role = h("span", { class: "muted" });
  const sees = h("p", { class: "muted" });
  const out = h("button", { type: "button", onclick: signOut }, words.signOut);
  const menu = h("div", { class: "menu", id: "account-menu", hidden: true }, h("p", {}, name, " ", role), sees, out);
  const button = h("button", { type: "button", class: "who-button", "aria-haspopup": "true", "aria-expanded": "false", "aria-controls": "account-menu", onclick: () => toggle() }, person());
  const element = h("div", { class: "account", hidden: true }, button, menu);
  element.addEventListener("focusout", (event) => { if (!element.contains(/** @type {Node|null} */ (event.relatedTarget))) toggle(false); });

  function toggle(opened = menu.hidden) {
    show(menu, opened);
    set(button, "aria-expanded", String(opened));
    if (opened) out.focus();
  }

  async function signOut() {
    try {
      await api.logout();
    } catch (error) {
      if (!(error instanceof api.ApiError)) throw error;
    }
    location.reload(); // nothing of what was shown stays in memory
  }

  /** @param {Api.MeAnswer} me */
  function draw(me) {
    held = new Set(me.rights);
    document.body.dataset.lacks = RIGHTS.filter((each) => !held.has(each)).join(" ");
    show(element, me.signed_in);
    say(name, me.name);
    say(role, words.roles[me.role] ?? me.role);
    say(sees, me.sources === null ? words.seesAll : words.seesSome(me.sources));
    set(button, "aria-label", words.account(me.name));
    set(button, "title", words.account(me.name));
  }

  return { element, draw, back: () => !menu.hidden && (toggle(false), button.focus(), true) };
}

const person = () => h(
  "svg:svg", { viewBox: "0 0 20 20", width: 20, height: 20, "aria-hidden": "true", class: "line-icon" },
  h("svg:circle", { cx: 10, cy: 7, r: 3.4 }), h("svg:path", { d: "M3.5 17c.6-3.4 3.2-5 6.5-5s5.900 1.600 6.500 5" }),
);
