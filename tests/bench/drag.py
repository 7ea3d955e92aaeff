"""How soon moments are ranked again while one drags a box: from the mouse to the new order on the screen.

    python -m tests.bench.drag [--regions 500000] [--seconds 10] [--lake FOLDER] [--words "a person"]

`regionlake serve` runs in a process of its own on a lake of real vectors, as `tests.bench.serve_load` makes it, and
Chromium shows its page with words and a box. The box is dragged in a circle, a mouse event each frame of the screen. An
event is answered when the first answer to a question that was asked at or after it has been painted; the page asks one
question at a time, so that most events wait for an answer to an older one first. Service, page and this driver
share the machine.
"""

import argparse
import math
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.bench.machine import processor
from tests.bench.serve_load import make_lake, ready
from tests.deploy.server.page.browsing import Visit, chromium
from tests.deploy.server.serving import served

BOX = (0.35, 0.3, 0.6, 0.7)
RADIUS = 0.15  # of the circle, as a fraction of the still
TURN_S = 3.0
FRAME_MS = 16
# what the page does, without a change of it: mouse events, questions that leave, and answers that are painted
RECORD = """
window.drag = { moved: [], asked: [], shown: [] };
addEventListener('pointermove', event => { if (event.buttons) drag.moved.push(event.timeStamp); }, true);
const sent = window.fetch;
window.fetch = (url, ...rest) => {
  if (!String(url).endsWith('api/search')) return sent(url, ...rest);
  const asked = { at: performance.now(), answered: 0, bytes: 0 };
  drag.asked.push(asked);
  return sent(url, ...rest).then(answer => {
    asked.answered = performance.now();
    asked.bytes = Number(answer.headers.get('content-length'));
    window.dragAnswered = asked;
    return answer;
  });
};
addEventListener('DOMContentLoaded', () => new MutationObserver(() => {
  const { at, answered } = window.dragAnswered;
  requestAnimationFrame(() => { // before the frame is painted; a message comes after it
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => drag.shown.push({ asked: at, answered, at: performance.now() });
    port2.postMessage(null);
  });
}).observe(document.body, { subtree: true, attributeFilter: ['data-answer'] }));
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regions", type=int, default=500_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--lake", type=Path, help="keeps the lake here, and continues with one that is there")
    parser.add_argument("--words", default="a person", help='"" for a box alone')
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lake = options.lake or Path(folder) / "lake"
        if not lake.exists():
            make_lake(lake, Path(folder), regions=options.regions)
        with served(lake) as url, chromium() as browser:
            ready(url)
            visit = Visit(browser, url)
            visit.page.emulate_media(reduced_motion="no-preference")  # moments slide, as for most users
            visit.page.add_init_script(RECORD)
            try:
                report(visit, words=options.words, seconds=options.seconds)
            finally:
                visit.close()


def report(visit: Visit, *, words: str, seconds: float) -> None:
    box = ",".join(map(str, BOX))
    visit.open(f"?q={words.replace(' ', '+')}&where=here&box={box}")
    visit.until(lambda: visit.answer > 0, within_s=120)
    visit.settle()
    load = os.getloadavg()[0]
    drag(visit, seconds=seconds)
    visit.settle()
    recorded = visit.page.evaluate("window.drag")
    shown = recorded["shown"]
    waits = [
        min((each["at"] for each in shown if each["asked"] >= moved), default=math.inf) - moved
        for moved in recorded["moved"]
    ]
    held = visit.page.evaluate("fetch('api/status').then(answer => answer.json())")["lake"]
    answers = [each for each in recorded["asked"] if each["answered"]]
    print(f"machine: {processor()}, {len(os.sched_getaffinity(0))} cores, load {load:.1f} before")
    print(
        f"lake: {held['regions']:,} regions of {held['keyframes']:,} keyframes; "
        f"{words!r} and a box, {seconds:g} s of dragging"
    )
    kilobytes = np.median([each["bytes"] for each in answers]) / 1000
    print(f"{len(waits)} mouse events, {len(answers)} answers of {kilobytes:.0f} kB\n")
    print(f"{'':32} {'p50 ms':>8} {'p95 ms':>8}")
    for name, values in (
        ("mouse event to new order", waits),
        ("  question to its answer", [each["answered"] - each["at"] for each in answers]),
        ("  answer to new order", [each["at"] - each["answered"] for each in shown]),
    ):
        print(f"{name:32} {np.percentile(values, 50):8.0f} {np.percentile(values, 95):8.0f}")


def drag(visit: Visit, *, seconds: float) -> None:
    """Drags the box by its middle around a circle that begins where it is."""
    area = visit.page.locator(".canvas").bounding_box()
    assert area is not None
    middle = ((BOX[0] + BOX[2]) / 2, (BOX[1] + BOX[3]) / 2)

    def at(angle: float) -> tuple[float, float]:
        x, y = middle[0] + RADIUS * (math.cos(angle) - 1), middle[1] + RADIUS * math.sin(angle)
        return area["x"] + x * area["width"], area["y"] + y * area["height"]

    mouse = visit.page.mouse
    mouse.move(*at(0.0))
    mouse.down()
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        mouse.move(*at(2 * math.pi * passed / TURN_S))
        visit.page.wait_for_timeout(FRAME_MS)
    mouse.up()


if __name__ == "__main__":
    main()
