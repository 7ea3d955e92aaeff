/** The dialog that adds a camera. Its password is sent once, and is in no answer. */

import * as api from "../core/api.js";
import { h, say } from "../core/dom.js";
import { words } from "../words.js";

/** @param {(answer: Api.FeedStatesAnswer) => void} added */
export function makeAddFeed(added) {
  const field = (id, name, attributes) => {
    const input = h("input", { id, name: id, spellcheck: "false", autocomplete: "off", ...attributes });
    return { input, row: [h("label", { for: id }, name), input] };
  };
  const name = field("feed-name", words.feedName, { required: true, pattern: "[\\w.\\-]+", maxlength: 100 });
  const url = field("feed-url", words.feedUrl, { required: true, placeholder: "rtsp://10.0.0.5/stream", maxlength: 2000 });
  const user = field("feed-user", words.feedUser, {}), password = field("feed-password", words.feedPassword, { type: "password", autocomplete: "new-password" });
  const wrong = h("p", { class: "bad", role: "alert" });
  const go = h("button", { type: "submit", class: "accent" }, words.addFeedGo);
  const form = h(
    "form", { method: "dialog", onsubmit: submit },
    h("h2", { id: "feed-title" }, words.addFeed), h("p", { class: "muted" }, words.addFeedText),
    ...[name, url, user, password].flatMap((each) => each.row), wrong,
    h("div", { class: "line" }, h("button", { type: "button", onclick: () => element.close() }, words.cancel), go),
  );
  const element = h("dialog", { class: "add-feed", "aria-labelledby": "feed-title" }, form);

  async function submit(event) {
    event.preventDefault();
    go.disabled = true;
    try {
      const answer = await api.addFeed({ name: name.input.value, url: url.input.value, user: user.input.value || null, password: password.input.value || null });
      form.reset();
      say(wrong, "");
      element.close();
      added(answer);
    } catch (error) {
      if (!(error instanceof api.ApiError)) throw error;
      say(wrong, error.gone ? words.gone : error.message);
    } finally {
      go.disabled = false;
    }
  }

  return { element, open: () => { if (!element.open) { say(wrong, ""); element.showModal(); } } };
}
