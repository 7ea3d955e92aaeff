/** The rooms of the page, each with an address of its own: the last part of the path, which is empty for the search room. */

export const SEARCH = "";
export const TIMELINE = "timeline";
export const WATCHES = "watches";
export const LIVE = "live";
export const LAKE = "lake";
const PLACES = [TIMELINE, WATCHES, LIVE, LAKE];

/** The part of the path before the room: a proxy may serve the page below a path. */
export const base = () => location.pathname.replace(/[^/]*$/, "");

/** The room of the address. */
export function placeNow() {
  const last = location.pathname.split("/").pop() ?? "";
  return PLACES.includes(last) ? last : SEARCH;
}

/** Whether the address of a room is the question, whose moments it shows. */
export const asking = (place = placeNow()) => place === SEARCH || place === TIMELINE;

/** Goes to an address within the page, such as `watches?watch=gate`. @param {"pushState"|"replaceState"} [method] @param {string} address */
export function go(address, method = "pushState") {
  const next = base() + address;
  if (next !== location.pathname + location.search) history[method](null, "", next);
  for (const hear of hearers) hear();
}

/** @type {(() => void)[]} */
const hearers = [];

/** Calls `hear()` after `go`, and when one goes back or forward. @param {() => void} hear */
export function whenPlaceChanges(hear) {
  hearers.push(hear);
  addEventListener("popstate", () => hear());
}
