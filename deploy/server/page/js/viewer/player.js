/** The clip of a moment: cut by the service when it is first played, and read by ranges. */

import { clipUrl } from "../core/api.js";
import { h, perFrame, say, set, show } from "../core/dom.js";
import { clamp } from "../core/geometry.js";
import { words } from "../words.js";

const AROUND_S = 2; // what `clip_s` of a frame describes
const SPEEDS = [1, 0.5, 0.25, 2];
const STEPS = 1000;

/** @param {{moved: (pts_s: number|null) => void, failed: (sentence: string) => void, step: (by: number) => void, time: (pts_s: number) => string}} calls */
export function makePlayer({ moved, failed, step, time }) {
  const video = h("video", { muted: true, playsinline: true, preload: "auto", ".muted": true, "aria-hidden": "true", tabindex: -1 });
  const play = h("button", { type: "button", class: "play", "aria-label": words.play, title: `${words.play} (Space)`, onclick: () => toggle() }, "▶");
  const ticks = h("div", { class: "ticks" }), done = h("div", { class: "done" }), head = h("div", { class: "head" });
  const range = h("input", { type: "range", min: 0, max: STEPS, step: 1, "aria-label": words.scrub, oninput: () => seek(clip[0] + (Number(range.value) / STEPS) * (clip[1] - clip[0])) });
  const clock = h("output", { class: "clock" });
  const speed = h("button", { type: "button", title: words.speed, "aria-label": `${words.speed}: 1 ×`, onclick: () => faster() }, "1 ×");
  const controls = h(
    "div", { class: "controls" },
    play,
    h("button", { type: "button", title: ",", onclick: () => step(-1) }, words.keyframeBefore),
    h("button", { type: "button", title: ".", onclick: () => step(1) }, words.keyframeAfter),
    h("div", { class: "scrub" }, done, ticks, head, range),
    clock, speed,
  );
  /** @type {[number, number]} */
  let clip = [0, 1];
  let able = false, frame = "", at = 0, loaded = false, wanted = false;

  /** Another moment: nothing is loaded until it is played. clip_s: null where there is none. @param {string} id @param {[number, number]|null} clip_s @param {number} pts_s */
  function open(id, clip_s, pts_s) {
    unload();
    [frame, able, at] = [id, clip_s !== null, pts_s];
    clip = clip_s ?? [pts_s, pts_s + 1];
    controls.classList.toggle("unable", !able);
    play.disabled = range.disabled = speed.disabled = !able;
    draw();
  }

  function unload() {
    wanted = loaded = false;
    video.pause();
    video.removeAttribute("src");
    video.load();
    show(video, false);
    controls.classList.remove("cutting");
  }

  function load() {
    if (video.hasAttribute("src")) return;
    video.src = clipUrl(frame, AROUND_S);
    controls.classList.add("cutting");
    moved(null);
  }

  video.addEventListener("loadeddata", () => {
    loaded = true;
    controls.classList.remove("cutting");
    video.currentTime = clamp(at - clip[0], 0, Math.max(0, video.duration - 0.05));
    show(video, true);
    if (wanted) video.play().catch(() => {});
  });
  video.addEventListener("error", async () => {
    if (!video.hasAttribute("src")) return;
    const url = video.getAttribute("src") ?? "";
    unload();
    draw();
    // the browser does not say what the service answered
    const answer = await fetch(url, { headers: { Range: "bytes=0-0" } }).catch(() => null);
    const said = answer && !answer.ok ? await answer.json().catch(() => null) : null;
    failed(said?.error ?? (answer ? words.clipFailed : words.gone));
  });
  const follow = perFrame(() => {
    if (!loaded) return;
    at = clip[0] + video.currentTime;
    draw();
    moved(at);
    if (!video.paused) follow();
  });
  for (const name of ["play", "pause", "ended", "seeked", "timeupdate"]) video.addEventListener(name, () => { draw(); follow(); });

  function draw() {
    const playing = wanted && (!loaded || !video.paused);
    say(play, playing ? "❚❚" : "▶");
    set(play, "aria-label", playing ? words.pause : words.play);
    const share = clamp((at - clip[0]) / Math.max(clip[1] - clip[0], 1e-6), 0, 1);
    done.style.width = head.style.left = `${share * 100}%`;
    range.value = String(Math.round(share * STEPS));
    set(range, "aria-valuetext", time(at));
    say(clock, time(at));
  }

  function toggle() {
    if (!able) return;
    if (loaded && !video.paused) {
      wanted = false;
      video.pause();
    } else {
      wanted = !wanted || loaded;
      if (loaded && video.currentTime >= video.duration - 0.05) video.currentTime = 0;
      load();
      if (loaded) video.play().catch(() => {});
    }
    draw();
  }

  /** @param {number} pts_s */
  function seek(pts_s) {
    if (!able) return;
    at = clamp(pts_s, clip[0], clip[1]);
    load();
    if (loaded) video.currentTime = at - clip[0];
    draw();
  }

  function faster() {
    const next = SPEEDS[(SPEEDS.indexOf(video.playbackRate) + 1) % SPEEDS.length];
    video.playbackRate = video.defaultPlaybackRate = next;
    say(speed, `${next} ×`);
    set(speed, "aria-label", `${words.speed}: ${next} ×`);
  }

  return {
    video, controls, open, toggle, close: unload,
    seekBy: (by) => seek(at + by),
    /** Ticks at these moments. @param {number[]} moments */
    mark(moments) {
      ticks.replaceChildren(...moments.filter((each) => each >= clip[0] && each <= clip[1]).map((each) => {
        const tick = h("span", {});
        tick.style.left = `${((each - clip[0]) / (clip[1] - clip[0])) * 100}%`;
        return tick;
      }));
    },
    focus: () => play.focus(),
  };
}
