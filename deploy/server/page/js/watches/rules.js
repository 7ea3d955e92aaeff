/** When a watch reports: days, hours, the least stay, and how often. */

import { h, say, set, show } from "../core/dom.js";
import { words } from "../words.js";
import { DAYS, hoursText, parsedHours } from "./hours.js";

const STAYS = [0, 5, 10, 30, 60, 120, 300, 600, 1800];
const PAUSES = [0, 10, 60, 300, 900, 3600, 21600, 86400];

/** @param {(patch: object) => void} change */
export function makeRules(change) {
  let draft = /** @type {any} */ (null);
  const days = DAYS.map((day) => h("button", { type: "button", class: "chip", "aria-pressed": "true", title: words.dayNames[day], "aria-label": words.dayNames[day], onclick: () => toggle(day) }, words.days[day]));
  const clock = (name, key) => h("input", { type: "time", class: "clock-field", "aria-label": name, onchange: (event) => event.target.value && chosen({ [key]: event.target.value }) });
  const start = clock(words.hoursFrom, "start"), stop = clock(words.hoursUntil, "stop");
  const always = h("span", { class: "muted" });
  const choice = (name, values, said, key) => {
    const select = h("select", { class: "button", "aria-label": name, onchange: () => change({ [key]: Number(select.value) }) });
    return { select, values, said, key };
  };
  const stay = choice(words.stay, STAYS, words.stayValue, "stay_s"), pause = choice(words.cooldown, PAUSES, words.cooldownValue, "cooldown_s");
  const element = h(
    "section", { class: "rules", "aria-label": words.rules },
    h("div", { class: "rule" }, h("h3", {}, words.hours), h("div", { class: "days", role: "group", "aria-label": words.hours }, ...days), h("span", { class: "clocks" }, start, "–", stop), always),
    h("div", { class: "rule" }, h("h3", {}, words.reports), stay.select, pause.select),
  );

  function chosen(patch) {
    change({ hours: hoursText({ ...parsedHours(draft.hours), ...patch }) });
  }

  function toggle(day) {
    const { days: on } = parsedHours(draft.hours);
    const next = on.includes(day) ? on.filter((each) => each !== day) : DAYS.filter((each) => each === day || on.includes(each));
    if (next.length) chosen({ days: next });
  }

  function drawChoice({ select, values, said, key }) {
    const known = values.includes(draft[key]) ? values : [...values, draft[key]].sort((a, b) => a - b);
    const made = known.join();
    if (select.dataset.made !== made) {
      select.dataset.made = made;
      select.replaceChildren(...known.map((value) => h("option", { value }, said(value))));
    }
    select.value = String(draft[key]);
  }

  return {
    element,
    /** @param {import("./draft.js").Draft} next */
    draw(next) {
      draft = next;
      const hours = parsedHours(draft.hours);
      days.forEach((button, at) => set(button, "aria-pressed", String(hours.days.includes(DAYS[at]))));
      if (document.activeElement !== start) start.value = hours.start;
      if (document.activeElement !== stop) stop.value = hours.stop;
      show(always, hours.start === hours.stop || hours.zone !== null);
      say(always, hours.start === hours.stop ? words.allDay : hours.zone ?? "");
      drawChoice(stay);
      drawChoice(pause);
    },
  };
}
