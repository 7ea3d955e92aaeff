"""Saves pictures of the page in its states: python -m tests.deploy.server.page.pictures LAKE FOLDER [TEXT]"""

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.deploy.server.page.browsing import DESKTOP, PHONE, Visit, chromium
from tests.deploy.server.serving import served

BOX = "0.05,0.25,0.5,0.95"
SETTLED_MS = 1500  # pictures from originals are loaded after those from thumbnails


def states(visit: Visit, text: str) -> Iterator[str]:
    """Shows one state after the other; yields its name."""
    page = visit.page
    visit.open()
    page.locator(".starts img").first.wait_for()
    yield "start"
    visit.open(f"?q={text}&box={BOX}&weight=0.7&sure=0.5")
    visit.until(visit.moments)
    page.locator(".card .open").nth(1).focus()
    yield "search"
    page.keyboard.press("w")
    yield "whole-frames"
    page.keyboard.press("w")
    page.keyboard.press("Enter")
    page.locator(".strip button").first.wait_for()
    yield "viewer"
    page.keyboard.press("Space")
    clock = "document.querySelector('video').currentTime"
    visit.until(lambda: page.evaluate(clock) > 0.2, within_s=120)
    page.keyboard.press("Space")
    yield "playing"
    visit.drag(".ground", (0.3, 0.3), (0.4, 0.5), (0.5, 0.7))
    yield "drawn-in-frame"
    page.keyboard.press("f")
    visit.until(lambda: "frame" in visit.asked)
    yield "found-elsewhere"
    visit.open(f"?q={text}&since=100000")
    page.get_by_role("button", name="at any time").wait_for()
    yield "nothing-found"
    visit.open(f"?image={'0' * 32}")
    page.get_by_text("The search was refused").wait_for()
    yield "refused"
    visit.open(f"watches?new&q={text}&sure=0.3")
    page.get_by_text("would have fired").wait_for()
    yield "new-watch"
    visit.open(f"timeline?q={text}")
    page.locator(".time-lane .moment img[src]").first.wait_for()
    page.keyboard.press("l")
    yield "timeline"
    visit.open("lake")
    page.locator(".storage").wait_for()
    yield "lake"
    visit.open("live")
    page.locator(".live-room h2").first.wait_for()
    yield "live"
    visit.open()
    page.locator(".starts img").first.wait_for()
    page.keyboard.press("?")
    yield "keys"


def main(lake: str, folder: str, text: str = "person") -> None:
    into = Path(folder)
    into.mkdir(parents=True, exist_ok=True)
    with served(Path(lake)) as url, chromium() as browser:
        for name, size in (("desktop", DESKTOP), ("phone", PHONE)):
            for dark in (False, True):
                visit = Visit(browser, url, size=size, dark=dark, touch=size == PHONE)
                for state in states(visit, text):
                    visit.settle()
                    visit.page.wait_for_timeout(SETTLED_MS)
                    visit.page.screenshot(path=into / f"{state}-{name}-{'dark' if dark else 'light'}.png")
                visit.close()
                assert not visit.errors, visit.errors


if __name__ == "__main__":
    main(*sys.argv[1:])
