"""Drives the page in a real browser, for tests and for pictures of the page."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, urlsplit

import numpy as np

from schemas.boxes import Boxes, box_iou

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request

# the first that there is: the shell has no window, tabs and menus of its own, which cost more than the page
CHROMIUM = next(
    (path for name in ("chromium-headless-shell", "chromium") if (path := Path("/usr/bin", name)).exists()),
    Path("/usr/bin/chromium"),
)
DESKTOP = (1440, 960)
PHONE = (412, 915)
Box = tuple[float, float, float, float]
QUIET_S = 0.25  # so long after the last answer the page asks nothing more about it
STREAMS = ("media", "eventsource")  # requests that may stay open


@contextmanager
def chromium() -> Iterator["Browser"]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


class Visit:
    """One tab with the page. errors: what scripts of the page failed at, and what its policy refused."""

    def __init__(
        self, browser: "Browser", url: str, *, size: tuple[int, int] = DESKTOP, dark: bool = False, touch: bool = False
    ) -> None:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",  # otherwise pictures of the page depend on the moment
            has_touch=touch,
        )
        self.url = url
        self.page: Page = context.new_page()
        self.page.set_default_timeout(30_000)
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self._asking: set[Request] = set()
        self._changed_s = time.monotonic()
        self.page.on("request", lambda request: self._count(request, asked=True))
        self.page.on("requestfinished", lambda request: self._count(request, asked=False))
        self.page.on("requestfailed", lambda request: self._count(request, asked=False))
        self.page.on("console", lambda message: self._note(message.text) if message.type == "error" else None)

    def _note(self, text: str) -> None:
        if "Failed to load resource" not in text:  # a refusal by the service, or a server that is gone
            self.errors.append(text)

    def _count(self, request: "Request", *, asked: bool) -> None:
        if request.resource_type not in STREAMS:
            (self._asking.add if asked else self._asking.discard)(request)
            self._changed_s = time.monotonic()

    def open(self, address: str = "") -> "Visit":
        self.page.goto(f"{self.url}/{address}")
        return self

    def close(self) -> None:
        self.page.context.close()

    @property
    def asked(self) -> dict[str, str]:
        """The question in the address."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.page.url).query).items()}

    def until(self, true: Callable[[], object], *, within_s: float = 30.0) -> None:
        """Waits. The page's policy forbids the browser to evaluate texts, so that it cannot wait itself."""
        deadline = time.monotonic() + within_s
        while not true():
            assert time.monotonic() < deadline, (
                f"not within {within_s:g} s at {self.page.url}: {self.page.inner_text('.results')[:500]}"
            )
            self.page.wait_for_timeout(25)

    @property
    def answer(self) -> int:
        """The number of the answer that is shown."""
        number: int = self.page.evaluate("Number(document.querySelector('.room').dataset.answer ?? 0)")
        return number

    def settle(self) -> None:
        """Waits until nothing is asked any more.

        Playwright's `networkidle` is reached once a document: it does not wait for what a document asks later.
        """
        self.until(lambda: not self._asking and time.monotonic() - self._changed_s > QUIET_S)

    def bodies(self, part: str) -> list[dict[str, Any]]:
        """Collects the bodies of requests from now on whose address has this part."""
        asked: list[dict[str, Any]] = []
        self.page.on("request", lambda request: asked.append(request.post_data_json) if part in request.url else None)
        return asked

    def moments(self) -> list[str]:
        """The moments that are shown, from the upper left: `FRAME.x0,y0,x1,y1`."""
        place = "e => { const r = e.getBoundingClientRect(); return [Math.round(r.top), r.left, e.dataset.key] }"
        found: list[list[object]] = self.page.evaluate(f"[...document.querySelectorAll('.card')].map({place})")
        return [str(each[2]) for each in sorted(found)]  # type: ignore[type-var]

    def click(self, selector: str, x: float, y: float, *, button: Literal["left", "right"] = "left") -> None:
        """Clicks on an element at a point, fractions of it."""
        area = self.page.locator(selector).bounding_box()
        assert area is not None
        self.page.mouse.click(area["x"] + x * area["width"], area["y"] + y * area["height"], button=button)

    def drag(self, selector: str, *points: tuple[float, float], drop: bool = True) -> None:
        """Drags over an element through points, fractions of it."""
        area = self.page.locator(selector).bounding_box()
        assert area is not None
        at = [(area["x"] + x * area["width"], area["y"] + y * area["height"]) for x, y in points]
        self.page.mouse.move(*at[0])
        self.page.mouse.down()
        for point in at[1:]:
            self.page.mouse.move(*point)
        if drop:
            self.page.mouse.up()


def findings(seen: Visit) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    found: list[dict[str, Any]] = Axe().run(seen.page).response["violations"]
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    return [
        f"{each['id']}: {node['html'][:200]}: {node['failureSummary']}" for each in serious for node in each["nodes"]
    ]


def box_of(key: str) -> Box:
    x0, y0, x1, y1 = map(float, key.partition(".")[2].split(","))
    return x0, y0, x1, y1


def iou(boxes: Sequence[Box], query: Box) -> list[float]:
    found: list[float] = box_iou(np.asarray(Boxes(list(boxes)).xyxy, np.float64), np.asarray([query])).ravel().tolist()
    return found
