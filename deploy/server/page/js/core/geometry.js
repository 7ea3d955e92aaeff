/**
 * Boxes `[x0, y0, x1, y1]`, fractions of the frame from its upper left corner.
 * @typedef {[number, number, number, number]} Box
 * @typedef {[number, number]} Point
 */

const LEAST = 0.01;
/** @type {Box} */
export const WHOLE = [0, 0, 1, 1];

/** @param {number} value @param {number} low @param {number} high */
export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
/** @param {number} value */
const rounded = (value) => Math.round(value * 1e4) / 1e4;

/** The box between two points, within the frame and of the least size. @param {Point} a @param {Point} b @returns {Box} */
export function boxBetween([ax, ay], [bx, by]) {
  const [x0, x1] = side(ax, bx), [y0, y1] = side(ay, by);
  return [x0, y0, x1, y1];
}

/** @param {number} a @param {number} b */
function side(a, b) {
  let low = clamp(Math.min(a, b), 0, 1), high = clamp(Math.max(a, b), 0, 1);
  if (high - low < LEAST) high = low + LEAST;
  if (high > 1) [low, high] = [1 - LEAST, 1];
  return [rounded(low), rounded(high)];
}

/** The box moved by a vector, of the same size and within the frame. @param {Box} box @param {number[]} by @returns {Box} */
export function moved([x0, y0, x1, y1], [dx, dy]) {
  const x = clamp(dx, -x0, 1 - x1), y = clamp(dy, -y0, 1 - y1);
  return [rounded(x0 + x), rounded(y0 + y), rounded(x1 + x), rounded(y1 + y)];
}

/** The handles of a box: which sides each moves, and where it is. */
export const HANDLES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];
/** @param {Box} box @param {string} name @returns {Point} */
export function handleAt([x0, y0, x1, y1], name) {
  const x = name.includes("w") ? x0 : name.includes("e") ? x1 : (x0 + x1) / 2;
  const y = name.includes("n") ? y0 : name.includes("s") ? y1 : (y0 + y1) / 2;
  return [x, y];
}

/** The box whose handle is at a point; it may be drawn across the opposite side. @param {Box} box @param {string} name @param {Point} at @returns {Box} */
export function resized([x0, y0, x1, y1], name, [x, y]) {
  const a = [name.includes("w") ? x : x0, name.includes("n") ? y : y0];
  const b = [name.includes("e") ? x : x1, name.includes("s") ? y : y1];
  return boxBetween(/** @type {[number, number]} */ (a), /** @type {[number, number]} */ (b));
}

/** The box with its right or lower side moved. @param {Box} box @param {number[]} by @returns {Box} */
export function grown([x0, y0, x1, y1], [dx, dy]) {
  return [x0, y0, rounded(clamp(x1 + dx, x0 + LEAST, 1)), rounded(clamp(y1 + dy, y0 + LEAST, 1))];
}

/** @param {Box} box @param {Point} point */
export function inside([x0, y0, x1, y1], [x, y]) {
  return x >= x0 && x <= x1 && y >= y0 && y <= y1;
}

/** @param {Box} box */
export const area = (box) => (box[2] - box[0]) * (box[3] - box[1]);

/** Whether two boxes are the same but for rounding: that of an address, and that of an answer. @param {Box} a @param {Box} b */
export const alike = (a, b) => a.every((side, at) => Math.abs(side - b[at]) < 1e-3);

/** The share of the smaller of two boxes that lies in the other. @param {Box} a @param {Box} b */
export function overlap(a, b) {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]), height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  return width <= 0 || height <= 0 ? 0 : (width * height) / Math.max(Math.min(area(a), area(b)), 1e-9);
}

/**
 * The part of a frame that the server's close-up of a box shows: `close_up` of deploy/server/media/stills.py.
 * @param {Box} box
 * @param {number} aspect width of the cut by its height, both as fractions of the frame
 * @param {number} fill share of the cut's height or width that the box fills
 * @returns {Box}
 */
export function closeUp([x0, y0, x1, y1], aspect, fill) {
  let height = Math.max((y1 - y0) / fill, (x1 - x0) / fill / aspect, 1e-3);
  let width = height * aspect;
  const shrink = Math.max(width, height, 1);
  if (shrink > 1) [width, height] = [Math.max(width / shrink, x1 - x0), Math.max(height / shrink, y1 - y0)];
  const left = Math.min(Math.max((x0 + x1 - width) / 2, 0), 1 - width);
  const top = Math.min(Math.max((y0 + y1 - height) / 2, 0), 1 - height);
  return [left, top, left + width, top + height];
}

/** Where a picture of this shape lies when it fits into a rectangle: `{left, top, width, height}`, fractions of it. @param {number} pictureAspect @param {number} rectAspect */
export function fitted(pictureAspect, rectAspect) {
  if (pictureAspect >= rectAspect) {
    const height = rectAspect / pictureAspect;
    return { left: 0, top: (1 - height) / 2, width: 1, height };
  }
  const width = pictureAspect / rectAspect;
  return { left: (1 - width) / 2, top: 0, width, height: 1 };
}

/** The box as it lies in a cut of the frame. @param {Box} box @param {Box} cut @returns {Box} */
export function within(box, cut) {
  const width = cut[2] - cut[0], height = cut[3] - cut[1];
  return [(box[0] - cut[0]) / width, (box[1] - cut[1]) / height, (box[2] - cut[0]) / width, (box[3] - cut[1]) / height];
}
