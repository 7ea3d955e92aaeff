/**
 * Loads pictures a few at a time: a browser has six connections to a server, and a search must find one that is free.
 * Each is first made from the thumbnail that the lake stores, at once; when nothing else waits, from the original.
 */

const AT_ONCE = 3;

/** The least of some widths of a picture that is sharp on so many CSS pixels; the largest where none is. @param {number} css_px @param {number[]} widths ascending */
export const widthFor = (css_px, widths) => widths.find((each) => each >= css_px * Math.min(devicePixelRatio, 2)) ?? widths[widths.length - 1];

/** @typedef {{image: HTMLImageElement, urls: string[], shown: number}} Wanted */

export class Pictures {
  constructor() {
    /** @type {Map<HTMLImageElement, Wanted>} */
    this._wanted = new Map();
    this._loading = new Set();
    this._held = false;
  }

  /** Shows the urls in an image one after the other, the best last. @param {string[]} urls @param {HTMLImageElement} image */
  want(image, urls) {
    const known = this._wanted.get(image);
    if (known && known.urls.join() === urls.join()) return;
/** @param {HTMLImageElement} image */
    this.drop(image);
    this._wanted.set(image, { image, urls, shown: 0 });
    this._next();
  }

  /** An image that left the page. */
  drop(image) {
    this._wanted.delete(image);
  }

  /** Keeps from loading anything but what is shown first, while one drags or scrolls fast. @param {boolean} held */
  hold(held) {
    this._held = held;
    if (!held) this._next();
  }

  _next() {
    while (this._loading.size < AT_ONCE) {
      const free = [...this._wanted.values()].filter((each) => !this._loading.has(each.image) && each.shown < each.urls.length);
      const first = free.find((each) => each.shown === 0) ?? (this._held ? undefined : free[0]);
      if (!first) return;
      this._load(first);
    }
  }

  /** @param {Wanted} wanted */
  async _load(wanted) {
    this._loading.add(wanted.image);
    const url = wanted.urls[wanted.shown];
    const loaded = new Image();
    loaded.src = url;
    let ok = true;
    try {
      await loaded.decode();
    } catch {
      ok = false;
    }
    this._loading.delete(wanted.image);
    wanted.shown += 1;
    if (this._wanted.get(wanted.image) === wanted) {
      if (ok) wanted.image.src = url;
      wanted.image.classList.toggle("missing", !ok && wanted.shown === 1);
    }
    this._next();
  }
}
