/** The watches room: watches at the left; the one that is chosen with its limit, what it would have reported, and its alarms. */

import * as api from "../core/api.js";
import { h, say, set, show } from "../core/dom.js";
import { makeGuard } from "../core/guard.js";
import { latest } from "../core/latest.js";
import { go, placeNow, WATCHES } from "../core/places.js";
import { asks, fromAddress, toAddress } from "../core/question.js";
import { words } from "../words.js";
import { draftOf, draftOfWatch, questionOf, same, toBody, toRehearsal } from "./draft.js";
import { makeLimit } from "./limit.js";
import { makeRules } from "./rules.js";
import { makeShots } from "./shots.js";
import { addressOf, makeWatchList } from "./watch_list.js";

const WEEK_MS = 7 * 86_400_000;
const ALARMS = 24;

/** @param {{store: import("../core/store.js").Store, lake: import("../lake.js").Lake, pictures: import("../core/pictures.js").Pictures, locked: () => void}} given */
export function makeWatches({ store, lake, pictures, locked }) {
  const open = (key) => store.show(key);
  const list = makeWatchList(() => go(toAddress(store.question)));
  const title = h("input", { type: "text", class: "title", "aria-label": words.watchTitle, maxlength: 200, oninput: () => change({ title: title.value }) });
  const edit = h("button", { type: "button", "data-needs": "watch", onclick: () => go(toAddress(questionOf(/** @type {any} */ (draft)))) }, words.editQuestion);
  const pause = h("button", { type: "button", "data-needs": "watch", onclick: () => save({ ...saved, paused: !saved.paused }) });
  const remove = h("button", { type: "button", "data-needs": "watch", onclick: () => removing() }, words.removeWatch);
  const revert = h("button", { type: "button", onclick: () => leave() });
  const keep = h("button", { type: "button", class: "accent", "data-needs": "watch", onclick: () => save(draft) });
  const note = h("p", { class: "notice", role: "status" });
  const limit = makeLimit((value) => change({ limit: value })), rules = makeRules((patch) => change(patch));
  const above = makeShots({ lake, pictures, open }), below = makeShots({ lake, pictures, open }), fired = makeShots({ lake, pictures, open });
  /** @param {string} text */
  const none = (text) => h("p", { class: "muted" }, text);
  const noneAbove = none(words.noneAbove), noneBelow = none(words.noneBelow), noAlarms = none(words.noAlarms);
  const older = h("button", { type: "button", onclick: () => readAlarms({ more: true }) }, words.olderAlarms);
  const alarmCount = h("span", { class: "muted" });
  const alarms = h("section", { class: "alarms" }, h("h3", {}, words.alarms, " ", alarmCount), noAlarms, fired.element, older);
  const detail = h(
    "div", { class: "watch-detail", hidden: true }, // until it is known whether there are watches
    h("div", { class: "watch-head" }, h("h2", { class: "unseen" }, words.watchShown), title, h("div", { class: "choices" }, edit, pause, remove, revert, keep)),
    note, limit.element, rules.element,
    h("section", {}, h("h3", {}, words.firesAbove), noneAbove, above.element),
    h("section", { class: "silent" }, h("h3", {}, words.silentBelow), noneBelow, below.element),
    alarms,
  );
  const empty = h("div", { class: "empty", hidden: true }, h("h2", {}, words.noWatches), h("p", {}, words.noWatchesText));
  const element = h("main", { class: "watches-room", hidden: true }, list.element, h("section", { class: "watch-scroll", tabindex: -1, "aria-label": words.watchShown }, detail, empty));

  let watches = /** @type {Api.WatchAnswer[]|null} */ (null), draft = /** @type {any} */ (null), saved = /** @type {any} */ (null);
  let about = "", rehearsal = /** @type {(Api.RehearsalAnswer & {past: string})|null} */ (null), error = "", trouble = "", found = /** @type {Api.AlarmAnswer[]} */ ([]), more = false, counted = -1;
  const guarded = makeGuard({ lake, locked, refused: (reason) => { error = reason; } });

  /** What the address is about, once the list is known. */
  function enter() {
    show(element, placeNow() === WATCHES);
    if (element.hidden) { about = ""; return; }
    if (watches === null || lake.status === null) return;
    const given = new URLSearchParams(location.search);
    given.delete("open");
    const name = given.get("watch"), known = watches.find((each) => each.name === name) ?? null;
    const key = `${given} ${lake.confidence}`;
    if (given.has("new")) {
      if (key === about) return draw();
      saved = known ? draftOfWatch(known) : null;
      begin(key, draftOf(fromAddress(`?${given}`), { confidence: lake.confidence, before: saved }));
    } else if (known) {
      const now = draftOfWatch(known), unchanged = saved !== null && draft !== null && same(saved, draft);
      if (key === about && !unchanged) { saved = now; return draw(); }
      if (key === about && same(now, saved)) return draw();
      saved = now;
      begin(key, now);
    } else if (watches.length) go(addressOf(watches[0].name), "replaceState");
    else { [draft, saved, about] = [null, null, key]; draw(); }
  }

  /** @param {string} key @param {import("./draft.js").Draft} next */
  function begin(key, next) {
    const other = draft?.name !== next.name || about !== key;
    [about, draft, error] = [key, next, ""];
    if (other) { [rehearsal, found, more, counted] = [null, [], false, -1]; element.querySelector(".watch-scroll").scrollTop = 0; }
    title.value = draft.title;
    draw();
    rehearse(draft);
    if (draft.name !== null) readAlarms({});
  }

  /** @param {Partial<import("./draft.js").Draft>} patch */
  function change(patch) {
    draft = { ...draft, ...patch };
    draw();
    if (!("title" in patch)) rehearse(draft);
  }

  /** The last seven days, if anything was recorded in them; else all that the lake holds. */
  function since() {
    const week = Date.now() - WEEK_MS;
    return lake.sources.some((each) => each.stop && Date.parse(each.stop) > week) ? new Date(week).toISOString() : null;
  }

  const rehearse = latest(async (asked, outdated) => {
    if (!asks(asked.question)) return;
    const from = since();
    await guarded(async () => {
      const answer = await api.rehearse({ ...toRehearsal(asked), since: from });
      if (asked.name !== draft?.name || outdated()) return;
      rehearsal = { ...answer, past: from ? words.lastWeek : words.wholeLake };
      error = "";
    });
    draw();
  });

  async function readAlarms({ more: olderOnes = false }) {
    const { name } = draft;
    await guarded(async () => {
      const answer = await api.alarms(name, { limit: ALARMS, before: olderOnes && found.length ? found[found.length - 1].id : null });
      if (draft?.name !== name) return;
      found = olderOnes ? [...found, ...answer.alarms] : answer.alarms;
      ({ more } = answer);
    });
    draw();
  }

  const poll = latest(async () => {
    await guarded(async () => {
      const answer = await api.watches();
      [watches, trouble] = [answer.watches, answer.error ?? ""];
    });
    enter();
    const now = watches?.find((each) => each.name === draft?.name);
    if (now && now.fired !== counted) {
      counted = now.fired;
      if (found.length <= ALARMS) await readAlarms({});
    }
  });

  /** @param {import("./draft.js").Draft} next */
  async function save(next) {
    keep.disabled = pause.disabled = true;
    /** @type {Api.WatchAnswer[]} */
    const answers = [];
    await guarded(async () => { answers.push(await api.saveWatch(toBody(next), next.name)); });
    const [made] = answers;
    keep.disabled = pause.disabled = false;
    if (made) {
      watches = [...(watches ?? []).filter((each) => each.name !== made.name), made];
      if (shows(next.name)) {
        saved = draft = draftOfWatch(made);
        about = "";
        go(addressOf(made.name), "replaceState");
        poll(null);
      }
    }
    draw();
  }

  /** Whether one still looks at this watch: while a request is answered one may go elsewhere, and stays there. @param {string|null} name */
  const shows = (name) => placeNow() === WATCHES && draft?.name === name;

  async function removing() {
    if (remove.dataset.sure === undefined) { // once more, so that no slip loses a watch
      remove.dataset.sure = "";
      say(remove, words.removeSure);
      setTimeout(() => { delete remove.dataset.sure; say(remove, words.removeWatch); }, 4000);
      return;
    }
    const { name } = draft;
    if (await guarded(async () => { await api.removeWatch(name); })) {
      watches = (watches ?? []).filter((each) => each.name !== name);
      if (shows(name)) go(WATCHES, "replaceState");
    }
    draw();
  }

  /** Gives up what was changed. */
  function leave() {
    if (saved === null) return go(toAddress(draft.question));
    about = "";
    draft = saved;
    go(addressOf(saved.name), "replaceState");
  }

  function draw() {
    if (element.hidden) return;
    list.draw(watches ?? [], draft?.name ?? null);
    show(empty, watches !== null && draft === null);
    show(detail, draft !== null);
    if (draft === null) return;
    const changed = saved === null || !same(saved, draft), fresh = draft.name === null;
    if (document.activeElement !== title && title.value !== draft.title) title.value = draft.title;
    show(edit, !fresh);
    show(pause, !fresh && !changed);
    show(remove, !fresh && !changed);
    show(revert, changed);
    show(keep, changed);
    say(pause, draft.paused ? words.resumeWatch : words.pauseWatch);
    say(revert, fresh ? words.backToSearch : words.undoChanges);
    say(keep, fresh ? words.saveWatch : words.saveChanges);
    const own = watches?.find((each) => each.name === draft.name);
    const said = error || trouble || own?.error || (draft.paused ? words.pausedNote : fresh ? words.newNote : "");
    say(note, said);
    show(note, said !== "");
    set(note, "class", error || trouble || own?.error ? "notice bad" : "notice");
    limit.draw(draft, rehearsal, rehearsal?.past ?? "");
    rules.draw(draft);
    above.draw(rehearsal?.above ?? []);
    below.draw(rehearsal?.below ?? []);
    show(noneAbove, rehearsal !== null && !rehearsal.above.length);
    show(noneBelow, rehearsal !== null && !rehearsal.below.length);
    show(alarms, !fresh);
    fired.draw(found);
    show(noAlarms, !found.length);
    say(alarmCount, own ? String(own.fired || "") : "");
    show(older, more);
  }

  return { element, enter, poll: () => { if (placeNow() === WATCHES) poll(null); } };
}
