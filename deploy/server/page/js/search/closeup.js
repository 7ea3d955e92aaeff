/** The picture of a moment on a card: a close-up of its box, or the whole frame, with the box over it. */

import { stillUrl } from "../core/api.js";
import { closeUp, fitted, within, WHOLE } from "../core/geometry.js";
import { widthFor } from "../core/pictures.js";

const SHAPE = 4 / 3;
const FILL = 0.5;
const WIDTHS = [160, 320, 480, 640, 960];

/**
 * @param {{frame_id: string, box: import("../core/geometry.js").Box}} hit
 * @param {{aspect: number, width: number, whole: boolean}} given aspect: of the frame. width: of the card, CSS pixels
 */
export function closeUpOf(hit, { aspect, width, whole }) {
  const px = widthFor(width, WIDTHS);
  const entire = whole || (hit.box[0] <= 0 && hit.box[1] <= 0 && hit.box[2] >= 1 && hit.box[3] >= 1);
  // the service rounds nothing: `width` and `height` give exactly this shape
  const size = { width: px, height: (px * 3) / 4 };
  const cut = entire ? WHOLE : closeUp(hit.box, SHAPE / aspect, FILL);
  const given = entire ? size : { ...size, box: hit.box.join(","), fill: FILL };
  const shape = ((cut[2] - cut[0]) / (cut[3] - cut[1])) * aspect;
  const lies = fitted(shape, SHAPE);
  const box = within(hit.box, cut);
  return {
    urls: [stillUrl(hit.frame_id, { ...given, from: "thumbnail" }), stillUrl(hit.frame_id, given)],
    /** Where the box lies on the card, fractions of it. */
    box: [
      lies.left + Math.max(box[0], 0) * lies.width, lies.top + Math.max(box[1], 0) * lies.height,
      lies.left + Math.min(box[2], 1) * lies.width, lies.top + Math.min(box[3], 1) * lies.height,
    ],
  };
}

/** Puts an element over a box, by percent of its parent. @param {HTMLElement} element @param {number[]} box */
export function place(element, box) {
  Object.assign(element.style, {
    left: `${box[0] * 100}%`, top: `${box[1] * 100}%`,
    width: `${(box[2] - box[0]) * 100}%`, height: `${(box[3] - box[1]) * 100}%`,
  });
}
