/** Pins the shot of a moment: keeps it from retention, for a while or for ever. */

import * as api from "../core/api.js";
import { may } from "../access/account.js";
import { h, say, show } from "../core/dom.js";
import { words } from "../words.js";

const DAYS = [7, 30, 365, null];

/** @param {(sentence: string) => void} report */
export function makePinning(report) {
  let frame = /** @type {string|null} */ (null), pins = /** @type {Api.PinAnswer[]} */ ([]);
  const days = h("select", { class: "button", "data-needs": "pin", "aria-label": words.pinFor }, ...DAYS.map((each) => h("option", { value: each ?? "" }, words.pinDays(each))));
  days.value = "30";
  const button = h("button", { type: "button", "data-needs": "pin", title: words.pinTitle, onclick: () => toggle() });
  const said = h("span", { class: "muted" });
  const element = h("div", { class: "pinning" }, button, days, said);

  /** Runs a request about the frame that is shown; what it is refused for is said. */
  async function about(request) {
    const asked = frame;
    if (asked === null) return;
    try {
      await request(asked);
      const found = await api.pinsOf(asked);
      if (frame === asked) pins = found;
    } catch (error) {
      if (!(error instanceof api.ApiError)) throw error;
      if (frame === asked) report(error.gone ? words.gone : error.message);
    }
    if (frame === asked) draw();
  }

  function toggle() {
    if (!may("pin")) return undefined;
    button.disabled = true;
    return about(async (asked) => {
      if (pins.length) for (const each of pins) await api.unpin(each.id);
      else await api.pin(asked, days.value === "" ? null : Number(days.value));
    });
  }

  function draw() {
    const held = pins.length > 0;
    button.disabled = frame === null;
    say(button, held ? words.unpinShot : words.pinShot);
    show(days, !held);
    const ends = pins.map((each) => each.expires);
    say(said, held ? words.pinned(ends.includes(null) ? null : ends.sort().at(-1)) : "");
  }

  draw();
  return {
    element, toggle,
    /** @param {string|null} id of the keyframe that is shown */
    follow(id) {
      if (id === frame) return;
      [frame, pins] = [id, []];
      draw();
      about(async () => {});
    },
  };
}
