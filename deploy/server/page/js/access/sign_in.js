/** The sign-in room: before everything else of a service that has users. What was asked stays in the address. */

import * as api from "../core/api.js";
import { h, say, show } from "../core/dom.js";
import { words } from "../words.js";

/** @param {{sign: Element, done: () => void}} given */
export function makeSignIn({ sign, done }) {
  const token = h("input", { type: "password", id: "token", name: "token", autocomplete: "current-password", required: true, spellcheck: "false", "aria-describedby": "sign-in-wrong" });
  const wrong = h("p", { class: "bad", role: "alert", id: "sign-in-wrong" });
  const go = h("button", { type: "submit", class: "accent" }, words.signInGo);
  const form = h(
    "form", { onsubmit: submit },
    h("div", { class: "sign-in-head" }, sign, h("h2", {}, words.signInTitle)),
    h("p", { class: "muted" }, words.signInText),
    h("label", { for: "token" }, words.signInToken), token, wrong, go,
  );
  const element = h("main", { class: "sign-in", "aria-label": words.signInTitle, hidden: true }, form);

  async function submit(event) {
    event.preventDefault();
    go.disabled = true;
    try {
      await api.login(token.value.trim());
    } catch (error) {
      if (!(error instanceof api.ApiError)) throw error;
      say(wrong, error.status === 401 ? words.signInWrong : error.gone ? words.gone : error.message);
      token.focus();
      return;
    } finally {
      go.disabled = false;
    }
    token.value = "";
    say(wrong, "");
    close();
    done();
  }

  function close() {
    show(element, false);
    document.body.classList.remove("signing-in");
  }

  return {
    element,
    /** Shows this room alone. */
    open() {
      if (!element.hidden) return;
      for (const dialog of document.querySelectorAll("dialog[open]")) /** @type {HTMLDialogElement} */ (dialog).close();
      show(element, true);
      document.body.classList.add("signing-in");
      token.focus();
    },
    get opened() { return !element.hidden; },
  };
}
