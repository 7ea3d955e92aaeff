/** What the lake takes up: a bar for each table, for old versions, and for the video that is kept. */

import { fill, h, say, show } from "../core/dom.js";
import { bytes } from "../core/format.js";
import { words } from "../words.js";

export function makeStorage() {
  const total = h("span", { class: "muted" }), list = h("dl", { class: "amounts" });
  const element = h("section", { class: "storage", "aria-label": words.storage, hidden: true }, h("h3", {}, words.storage, " ", total), list);

  /** @param {string} name @param {number} size @param {number} most @param {string} about */
  function row(name, size, most, about) {
    const level = h("span", { class: "level" });
    level.style.width = `${Math.max(size / most, 0.004) * 100}%`;
    return [h("dt", {}, name), h("dd", {}, h("span", { class: "amount" }, bytes(size), about ? h("span", { class: "muted" }, about) : null), h("span", { class: "amount-bar", "aria-hidden": "true" }, level))];
  }

  /** @param {Api.LakeStorageAnswer} lake */
  function draw(lake) {
    const video = lake.video.reduce((sum, each) => sum + each.bytes, 0), tables = lake.tables.reduce((sum, each) => sum + each.bytes, 0);
    const rest = lake.disk_bytes === null ? 0 : Math.max(0, lake.disk_bytes - tables - video);
    const rows = [
      ...lake.tables.filter((each) => each.rows).map((each) => [words.tables[each.name] ?? each.name, each.bytes, words.rowCount(each.rows)]),
      ...lake.video.map((each) => [words.videoOf(each.feed), each.bytes, words.fileCount(each.files)]),
      rest ? [words.otherFiles, rest, ""] : null,
    ].filter((each) => each !== null).sort((a, b) => b[1] - a[1]);
    show(element, rows.length > 0);
    say(total, lake.disk_bytes === null ? "" : bytes(lake.disk_bytes));
    const most = Math.max(1, ...rows.map(([, size]) => size));
    fill(list, ...rows.flatMap(([name, size, about]) => row(name, size, most, about)));
  }

  return { element, draw };
}
