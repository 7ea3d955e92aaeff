/**
 * Zones: polygons without holes whose sides do not meet, of corners `[x, y]`, fractions of the frame.
 * @typedef {[number, number]} Point
 * @typedef {Point[]} Zone
 */

import { clamp } from "./geometry.js";

export const MOST_CORNERS = 64;
/** @param {number} value */
const rounded = (value) => Math.round(clamp(value, 0, 1) * 1e4) / 1e4;

/** The point within the frame. @param {Point} point @returns {Point} */
export const kept = ([x, y]) => [rounded(x), rounded(y)];

/** The corners of a box. @param {import("./geometry.js").Box} box @returns {Zone} */
export const cornersOf = ([x0, y0, x1, y1]) => [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];

/** The smallest box around corners. @param {Zone} corners @returns {import("./geometry.js").Box} */
export function boundsOf(corners) {
  const [xs, ys] = [corners.map(([x]) => x), corners.map(([, y]) => y)];
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

/** Whether the corners are a zone: three or more, with an area, and no side meets another. @param {Zone} corners */
export function isZone(corners) {
  if (corners.length < 3 || corners.length > MOST_CORNERS || Math.abs(signedArea(corners)) < 1e-4) return false;
  const sides = corners.map((corner, at) => [corner, corners[(at + 1) % corners.length]]);
  return sides.every(([a, b], at) => sides.every(([c, d], other) => {
    const apart = Math.abs(at - other);
    if (apart === 0) return true;
    const beside = apart === 1 || apart === sides.length - 1;
    return beside ? !folded(at < other === (apart === 1) ? [a, b, d] : [c, d, b]) : !crossing(a, b, c, d);
  }));
}

/** @param {Zone} corners */
function signedArea(corners) {
  return corners.reduce((sum, [x, y], at) => {
    const [nextX, nextY] = corners[(at + 1) % corners.length];
    return sum + (x * nextY - nextX * y) / 2;
  }, 0);
}

/** @param {Point} a @param {Point} b @param {Point} c */
const turn = ([ax, ay], [bx, by], [cx, cy]) => (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);

/** Whether the way from a over b to c turns back upon itself. @param {Point[]} corners */
function folded([a, b, c]) {
  return Math.abs(turn(a, b, c)) < 1e-9 && (b[0] - a[0]) * (c[0] - b[0]) + (b[1] - a[1]) * (c[1] - b[1]) < 0;
}

/** Whether two sides have a point in common. @param {Point} a @param {Point} b @param {Point} c @param {Point} d */
function crossing(a, b, c, d) {
  /** @param {Point} p @param {Point} q @param {Point} r */
  const between = (p, q, r) => r[0] >= Math.min(p[0], q[0]) && r[0] <= Math.max(p[0], q[0]) && r[1] >= Math.min(p[1], q[1]) && r[1] <= Math.max(p[1], q[1]);
  const [one, two, three, four] = [turn(a, b, c), turn(a, b, d), turn(c, d, a), turn(c, d, b)];
  if (one * two < 0 && three * four < 0) return true;
  return (one === 0 && between(a, b, c)) || (two === 0 && between(a, b, d)) || (three === 0 && between(c, d, a)) || (four === 0 && between(c, d, b));
}

/** Whether a point lies in the zone. @param {Zone} corners @param {Point} point */
export function holds(corners, [x, y]) {
  let within = false;
  corners.forEach(([ax, ay], at) => {
    const [bx, by] = corners[(at + 1) % corners.length];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) within = !within;
  });
  return within;
}

/** The zone moved by a vector, as far as the frame allows. @param {Zone} corners @param {number[]} by @returns {Zone} */
export function shifted(corners, [dx, dy]) {
  const [x0, y0, x1, y1] = boundsOf(corners), by = [clamp(dx, -x0, 1 - x1), clamp(dy, -y0, 1 - y1)];
  return corners.map(([x, y]) => kept([x + by[0], y + by[1]]));
}

/** The side that is nearest to a point, and how far: `{at, distance}`; distances in the unit of `size`. @param {Zone} corners @param {Point} point @param {Point} size */
export function nearestSide(corners, point, [width, height]) {
  /** @param {Point} at */
  const scaled = ([x, y]) => [x * width, y * height];
  const [px, py] = scaled(point);
  return corners.map((corner, at) => {
    const [ax, ay] = scaled(corner), [bx, by] = scaled(corners[(at + 1) % corners.length]);
    const length = (bx - ax) ** 2 + (by - ay) ** 2;
    const share = length ? clamp(((px - ax) * (bx - ax) + (py - ay) * (by - ay)) / length, 0, 1) : 0;
    return { at, distance: Math.hypot(px - ax - share * (bx - ax), py - ay - share * (by - ay)) };
  }).reduce((best, each) => (each.distance < best.distance ? each : best));
}
