/** Starts the page. */

import { h, set, show } from "./core/dom.js";
import { placeNow, SEARCH, TIMELINE, whenPlaceChanges } from "./core/places.js";
import { Pictures } from "./core/pictures.js";
import { Store } from "./core/store.js";
import { makeAccount } from "./access/account.js";
import { makeSignIn } from "./access/sign_in.js";
import { makePicker } from "./choosing/picker.js";
import { makeHelp } from "./dialogs.js";
import { listen } from "./keys.js";
import { makeLakeRoom } from "./lake/room.js";
import { Lake } from "./lake.js";
import { makeLive } from "./live/room.js";
import { makeNav } from "./nav.js";
import { makeField } from "./search/field.js";
import { makeRoom } from "./search/room.js";
import { makeTimeline } from "./timeline/room.js";
import { makeViewer } from "./viewer/viewer.js";
import { makeWatches } from "./watches/room.js";
import { words } from "./words.js";

const store = new Store();
const pictures = new Pictures();
const lake = new Lake({
  changed: () => { drawBar(); room.draw(); timeline.draw(); watches.poll(); lakeRoom.follow(); },
  gone: () => { room.draw(); lakeRoom.follow(); },
  back: () => { room.states.back(); room.ask({ urgent: true, force: true }); viewer.follow(); },
  grown: () => room.ask({ urgent: false, force: true }),
  locked,
});
const signIn = makeSignIn({ sign: mark(), done: () => { lake.follow().then(() => viewer.follow()); arrange(); room.ask({ urgent: true, force: true }); } });
const account = makeAccount();
const help = makeHelp();
const room = makeRoom({ store, lake, pictures, locked, answered: () => timeline?.draw() });
const timeline = makeTimeline({ store, lake, pictures, room, locked });
const watches = makeWatches({ store, lake, pictures, locked });
const live = makeLive({ store, lake, locked });
const lakeRoom = makeLakeRoom({ store, lake, locked });
const viewer = makeViewer({ store, lake, pictures, room, closed: (key) => (placeNow() === TIMELINE ? timeline : room.grid).ring(key) });
const picker = makePicker({ store });
const field = makeField(store, { pick: (example) => picker.open(example), refused: (sentence) => { room.states.refuse(sentence); room.draw(); } });

const nav = makeNav(store);
const name = h("a", { class: "name", href: "." }, mark(), h("h1", {}, words.name));
const bar = h(
  "header", { class: "bar" },
  name,
  field.element,
  h("div", { class: "end" }, nav.element, account.element, h("button", { type: "button", class: "quiet", title: `${words.keys} (?)`, "aria-label": words.keys, onclick: () => help.toggle() }, h("kbd", {}, "?"))),
);
const drop = h("div", { class: "drop", hidden: true }, h("p", {}, words.dropHere));
document.body.append(bar, room.element, timeline.element, watches.element, live.element, lakeRoom.element, live.dialog, viewer.element, help.element, picker.element, signIn.element, drop);

store.subscribe((how) => {
  arrange();
  field.draw();
  room.changed(how);
  viewer.follow();
});
whenPlaceChanges(() => store.arrive());
listen({ store, room, timeline, viewer, field, help, nav, account, signIn });
takePictures();
arrange();
field.draw();
room.changed("done");
lake.follow().then(() => viewer.follow());
document.addEventListener("visibilitychange", () => { if (!document.hidden) lake.follow(); });

function locked() {
  signIn.open();
}

function drawBar() {
  if (lake.me) account.draw(lake.me);
  const { status } = lake;
  if (status) set(name, "title", words.lakeLine(status.lake.name, status.lake.keyframes));
}

/** Shows the room of the address. */
function arrange() {
  show(room.element, placeNow() === SEARCH);
  timeline.enter();
  nav.draw();
  watches.enter();
  live.enter();
  lakeRoom.enter();
  watches.poll();
}

/** Pictures that are dropped anywhere or pasted. */
function takePictures() {
  let depth = 0;
  const files = (event) => event.dataTransfer?.types.includes("Files");
  const shown = (by) => { depth = Math.max(0, by ? depth + by : 0); drop.hidden = depth === 0; };
  addEventListener("dragenter", (event) => { if (files(event)) shown(1); });
  addEventListener("dragleave", (event) => { if (files(event)) shown(-1); });
  addEventListener("dragover", (event) => { if (files(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    shown(0);
    field.use(event.dataTransfer?.files[0]);
  });
  addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find((each) => each.type.startsWith("image/"));
    if (file) field.use(file);
  });
}

/** The sign of the project: a frame with a region. */
function mark() {
  return h(
    "svg:svg", { viewBox: "0 0 24 24", width: 24, height: 24, "aria-hidden": "true", class: "sign" },
    h("svg:rect", { class: "sign-frame", x: 2, y: 2, width: 20, height: 20, rx: 5 }),
    h("svg:rect", { class: "sign-region", x: 6.5, y: 8.5, width: 8, height: 7, rx: 1.5 }),
  );
}
