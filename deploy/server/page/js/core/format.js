//** Times as people read them: UTC in the zone of the browser, or seconds of the source. @param {number} value */
const two = (value) => String(value).padStart(2, "0");
const UNITS = ["B", "kB", "MB", "GB", "TB"];
const DAYS = new Intl.DateTimeFormat("en", { weekday: "short" });
const DAY = new Intl.DateTimeFormat("en", { day: "numeric", month: "short" });
const DATES = new Intl.DateTimeFormat("en", { weekday: "short", day: "numeric", month: "short" });

/** Seconds within a source: `0:04.5`, `1:02:04.5`. @param {number} value */
export function seconds(value, decimals = 1) {
  const scale = 10 ** decimals;
  const whole = Math.round(Math.max(0, value) * scale);
  const s = (whole / scale) % 60, m = Math.floor(whole / scale / 60) % 60, hours = Math.floor(whole / scale / 3600);
  const tail = s.toFixed(decimals).padStart(decimals ? decimals + 3 : 2, "0");
  return hours ? `${hours}:${two(m)}:${tail}` : `${m}:${tail}`;
}

/** The clock: `14:13:05.3`. @param {string} iso */
export function clock(iso, decimals = 1) {
  const at = new Date(iso);
  const text = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return decimals ? `${text}.${Math.floor(at.getMilliseconds() / 100)}` : text;
}

/** When a hit or keyframe was: by the clock where that is known. @param {{time: string|null, pts_s: number}} moment */
export const when = (moment) => (moment.time ? clock(moment.time) : seconds(moment.pts_s));

/** The same with its day, as a title. @param {{time: string|null, pts_s: number, source: string}} moment */
export function whenFully(moment) {
  return moment.time ? `${DATES.format(new Date(moment.time))} ${clock(moment.time)} (${zone(moment.time)})` : `${seconds(moment.pts_s, 3)} into ${moment.source}`;
}

/** The clock with its day, as short as that is clear: `14:13:05.3` of today, `Tue 14:13:05.3`, `12 May 14:13:05`. @param {{time: string|null, pts_s: number}} moment */
export function dayAndClock(moment) {
  if (!moment.time) return seconds(moment.pts_s);
  const at = new Date(moment.time), now = new Date();
  if (at.toDateString() === now.toDateString()) return clock(moment.time);
  return Math.abs(now.getTime() - at.getTime()) < 6 * 86_400_000 ? `${DAYS.format(at)} ${clock(moment.time)}` : `${DAY.format(at)} ${clock(moment.time, 0)}`;
}

/** `UTC+2` of the browser at this moment. @param {string} iso */
export function zone(iso) {
  const minutes = -new Date(iso).getTimezoneOffset();
  if (!minutes) return "UTC";
  const size = Math.abs(minutes);
  return `UTC${minutes < 0 ? "−" : "+"}${Math.floor(size / 60)}${size % 60 ? `:${two(size % 60)}` : ""}`;
}

/**
 * A bound of a time range, as coarse as its span allows.
 * @param {string|number} moment @param {number} spanS
 */
export function bound(moment, spanS) {
  if (typeof moment === "number") return seconds(moment, spanS < 20 ? 1 : 0);
  const at = new Date(moment);
  const time = spanS < 600 ? clock(moment, 0) : `${two(at.getHours())}:${two(at.getMinutes())}`;
  if (spanS > 6 * 86400) return DATES.format(at);
  return spanS > 12 * 3600 ? `${DAYS.format(at)} ${time}` : time;
}

/** A size as people read it: `830 kB`, `1.2 GB`. @param {number} size */
export function bytes(size) {
  let value = size, unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${unit && value < 9.95 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

/** Seconds since 1970, or within the source, of a moment. @param {string|number} moment */
export const toNumber = (moment) => (typeof moment === "number" ? moment : Date.parse(moment) / 1000);
/** The inverse, on the clock of an activity. @param {number} number @param {"utc"|"source"} clockName @returns {string|number} */
export function toMoment(number, clockName) {
  return clockName === "utc" ? new Date(Math.round(number * 1000)).toISOString() : Math.round(number * 1000) / 1000;
}
