/** Hours in text, `mon-fri 20:00-06:00 Europe/Berlin`, and as they are chosen. */

export const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const TEXT = /^(?:([a-z,-]+)\s+)?(\d\d?:\d\d)-(\d\d?:\d\d)(?:\s+(\S+))?$/;
const ownZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone ?? null;
/** @param {string} clock */
const padded = (clock) => clock.padStart(5, "0").replace("24:", "00:");

/** @param {string|null} text @returns {{days: string[], start: string, stop: string, zone: string|null}} */
export function parsedHours(text) {
  const found = TEXT.exec(text ?? "");
  if (!found) return { days: DAYS, start: "00:00", stop: "00:00", zone: ownZone() };
  const days = new Set(found[1] ? [] : DAYS);
  for (const part of (found[1] ?? "").split(",").filter(Boolean)) {
    const [first, last] = part.split("-").map((day) => DAYS.indexOf(day));
    for (let at = first; ; at = (at + 1) % 7) {
      days.add(DAYS[at]);
      if (at === (last ?? first)) break;
    }
  }
  return { days: DAYS.filter((day) => days.has(day)), start: padded(found[2]), stop: padded(found[3]), zone: found[4] ?? null };
}

/** @returns {string|null} null for always */
export function hoursText({ days, start, stop, zone }) {
  if (days.length === 7 && start === stop) return null;
  return `${days.length === 7 ? "" : `${days.join(",")} `}${start}-${stop}${zone ? ` ${zone}` : ""}`;
}
