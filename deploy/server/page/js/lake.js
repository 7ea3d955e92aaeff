/** What the page knows of the lake: sources, state of the model, generation; read again while it is shown. */

import * as api from "./core/api.js";

const POLL_MS = 5000;
const AGAIN_MS = 1500;

export class Lake {
  /** @param {{changed: () => void, gone: () => void, back: () => void, grown: () => void, locked: () => void}} calls */
  constructor(calls) {
    this._calls = calls;
    /** @type {Api.SourceAnswer[]} */
    this.sources = [];
    /** @type {Api.StatusAnswer|null} */
    this.status = null;
    /** @type {Api.MeAnswer|null} who uses the page */
    this.me = null;
    /** Grows whenever `sources` was read. */
    this.made = 0;
    this.away = false;
    /** @type {Map<string, string>} frame → its source */
    this._frames = new Map();
    this._timer = 0;
  }

  get generation() {
    return this.status?.lake.generation ?? -1;
  }

  /** Whether hits have a confidence; unknown until the model is loaded. */
  get confidence() {
    return this.status?.model.confidence ?? null;
  }

  /** @param {string|null} id */
  source(id) {
    return this.sources.find((each) => each.id === id) ?? null;
  }

  /** The id of the source of a frame, once that is known. @param {string} id */
  frameSource(id) {
    return this._frames.get(id) ?? this.sources.find((each) => each.newest_frame === id)?.id ?? null;
  }

  /** @param {{frame_id?: string, id?: string, source_id: string|null}[]} moments hits, or frames */
  noteFrames(moments) {
    for (const { frame_id, id, source_id } of moments) {
      const frame = frame_id ?? id;
      if (frame && source_id) this._frames.set(frame, source_id);
    }
  }

  /** @param {string} id */
  async learnFrame(id) {
    try {
      this.noteFrames([await api.frame(id)]);
      this._calls.changed();
    } catch (error) {
      if (!(error instanceof api.ApiError)) throw error;
    }
  }

  /** Width of a source's frames by their height. @param {string|null} id */
  aspect(id) {
    const source = this.source(id);
    return source?.width_px && source.height_px ? source.width_px / source.height_px : 4 / 3;
  }

  /** Reads the state, and again every few seconds. */
  async follow() {
    clearTimeout(this._timer);
    if (!document.hidden) await this.read();
    this._timer = setTimeout(() => this.follow(), this.away ? AGAIN_MS : POLL_MS);
  }

  /** The server did not answer a request. */
  lost() {
    if (this.away) return;
    this.away = true;
    this._calls.gone();
    clearTimeout(this._timer);
    this._timer = setTimeout(() => this.follow(), AGAIN_MS);
  }

  async read() {
    const before = { generation: this.generation, model: this.status?.model.state };
    try {
      [this.status, this.me] = await Promise.all([api.status(), api.me()]);
      if (!this.sources.length || this.generation !== before.generation) {
        this.sources = await api.sources();
        this.made += 1;
      }
    } catch (error) {
      if (!(error instanceof api.ApiError)) throw error;
      if (error.status === 401) this._calls.locked();
      else if (error.gone) this.lost();
      return;
    }
    const returned = this.away;
    this.away = false;
    if (returned) this._calls.back();
    this._calls.changed();
    const ready = before.model === "loading" && this.status?.model.state !== "loading";
    if (before.generation >= 0 && (this.generation !== before.generation || ready) && !returned) this._calls.grown();
  }
}
