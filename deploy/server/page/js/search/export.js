/** Moments as a table (CSV) or JSON, in the order that is shown. */

const COLUMNS = ["rank", "distance", "semantic", "geometric", "confidence", "source", "pts_s", "time", "x0", "y0", "x1", "y1", "label", "track", "frame_id", "region_id", "proposer"];

/** RFC 4180. A text that a spreadsheet would run as a formula is quoted by an apostrophe. @param {Api.Hit[]} hits */
export function toCsv(hits) {
  const cell = (value) => {
    if (value === null || value === undefined) return "";
    const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const rows = hits.map((hit) => {
    const [x0, y0, x1, y1] = hit.box;
    const row = { ...hit, x0, y0, x1, y1 };
    return COLUMNS.map((name) => cell(row[name])).join(",");
  });
  return `${[COLUMNS.join(","), ...rows].join("\r\n")}\r\n`;
}

const TYPES = { csv: "text/csv", json: "application/json", html: "text/html" };

/** @param {Api.SearchAnswer} answer @param {Api.Hit[]} hits */
export const toJson = (answer, hits) => `${JSON.stringify({ ...answer, hits }, null, 2)}\n`;

/** Gives a file to the user. @param {"csv"|"json"|"html"} kind @param {string} text */
export function save(kind, text) {
  const url = URL.createObjectURL(new Blob([text], { type: TYPES[kind] }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `moments.${kind}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
