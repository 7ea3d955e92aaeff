/** Dialogs: the keys, and the token of a service that has one. */

import * as api from "./core/api.js";
import { h, say } from "./core/dom.js";
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

/** @param {() => void} done */
export function makeLogin(done) {
  const token = h("input", { type: "password", id: "token", autocomplete: "current-password", required: true });
  const wrong = h("p", { class: "bad", role: "alert" });
  const form = h(
    "form", { method: "dialog", onsubmit: submit },
    h("h2", { id: "login-title" }, words.loginTitle), h("p", { class: "muted" }, words.loginText),
    h("label", { for: "token" }, words.loginToken), token, wrong, h("button", { type: "submit", class: "accent" }, words.loginGo),
  );
  const element = h("dialog", { class: "login", "aria-labelledby": "login-title" }, form);

  async function submit(event) {
    event.preventDefault();
    try {
      await api.login(token.value);
    } catch (error) {
      if (!(error instanceof api.ApiError)) throw error;
      say(wrong, error.status === 401 ? words.loginWrong : error.message || words.gone);
      return;
    }
    token.value = "";
    say(wrong, "");
    element.close();
    done();
  }
  return { element, open: () => { if (!element.open) element.showModal(); } };
}
