"""The watches room. Catches a watch that asks something else than the search from which it was saved, a limit that does
not decide, alarms that never appear, and changes that are lost or cannot be made by keys."""

import re
from pathlib import Path
from typing import Any

import pytest

import regionlake as rl
from tests.deploy.server.page.browsing import DESKTOP, PHONE, Visit, findings
from tests.deploy.server.page.conftest import VisitPage
from tests.deploy.server.serving import running
from tests.integration.clips import make_clip

SEARCH = "?q=a+white+box&sure=0.05"


def drafted(seen: Visit) -> None:
    """Goes from the search room to a new watch."""
    seen.page.get_by_role("button", name="Save as watch").click()
    seen.page.get_by_text("would have fired").wait_for()


def fires(seen: Visit) -> int:
    """How often the watch would have fired, once that is known."""
    said = seen.page.get_by_text("would have fired")
    said.wait_for()
    return int(said.inner_text().partition("would have fired ")[2].partition(" ")[0])


def test_a_search_becomes_a_watch_that_fires_on_what_arrives(visit: VisitPage, own: Path, tmp_path: Path) -> None:
    with running(own, clips=tmp_path / "clips") as url:
        seen = visit(SEARCH, url=url)
        seen.until(seen.moments)
        asked = seen.bodies("/api/watches/rehearsal")
        drafted(seen)
        assert asked[-1]["query"] == {"text": "a white box", "min_confidence": 0.05}
        seen.page.get_by_role("textbox", name="Name of the watch").fill("White boxes")
        limit = seen.page.get_by_role("slider", name="How sure it must be")
        limit.press("Home")
        seen.until(lambda: asked[-1]["query"]["min_confidence"] == 0)
        most = fires(seen)
        seen.page.get_by_role("combobox", name="How often").select_option("0")
        seen.until(lambda: fires(seen) > most)  # the cooldown was counted
        seen.page.get_by_role("button", name="Save the watch").click()
        seen.until(lambda: seen.asked == {"watch": "white-boxes"})
        seen.page.get_by_text("None yet").wait_for()
        assert rl.ingest(make_clip(tmp_path / "gate.mp4", seed=9, seconds=4), lake=own).ok
        alarm = seen.page.locator(".alarms .shot-card").first
        alarm.wait_for()
        assert alarm.locator(".source").inner_text() == "gate.mp4"
        seen.page.locator(".entry", has_text=re.compile(r"[1-9]\d* this week")).wait_for()
        alarm.get_by_role("button").click()
        seen.page.locator(".strip button").first.wait_for()  # the viewer, over this room
        seen.page.keyboard.press("Escape")
        seen.until(lambda: seen.asked == {"watch": "white-boxes"})
        assert seen.page.locator(".viewer").is_hidden()
        seen.page.reload()
        seen.page.locator(".alarms .shot-card").first.wait_for()


def test_the_limit_decides_what_fires(visit: VisitPage) -> None:
    seen = visit("?q=a+white+box&sure=0.05")
    seen.until(seen.moments)
    asked = seen.bodies("/api/watches/rehearsal")
    drafted(seen)
    limit = seen.page.get_by_role("slider", name="How sure it must be")
    limit.press("Home")
    seen.until(lambda: asked[-1]["query"]["min_confidence"] == 0)
    assert fires(seen) > 0
    assert seen.page.get_by_text("Nothing is less certain.").is_visible()
    limit.press("End")
    seen.until(lambda: asked[-1]["query"]["min_confidence"] == 1)
    seen.until(lambda: fires(seen) == 0)
    assert seen.page.get_by_text("Nothing is so certain.").is_visible()
    seen.page.get_by_role("button", name="Back to the search").click()
    seen.until(lambda: seen.asked.get("q") == "a white box")
    seen.until(seen.moments)


def test_a_watch_is_edited_paused_and_removed_by_keys(visit: VisitPage, own: Path, tmp_path: Path) -> None:
    with running(own, clips=tmp_path / "clips") as url:
        seen = visit("?box=0.0,0.2,0.7,0.9", url=url)
        seen.until(seen.moments)
        drafted(seen)
        press = seen.page.keyboard.press

        def button(name: str) -> None:
            seen.page.get_by_role("button", name=name).focus()
            press("Enter")

        seen.page.get_by_role("slider", name="How near it must be").press("ArrowLeft")
        button("Monday")
        button("Save the watch")
        seen.until(lambda: seen.asked.get("watch") == "something-at-a-place")
        assert seen.page.get_by_role("button", name="Monday").get_attribute("aria-pressed") == "false"
        button("Pause")
        seen.page.locator(".entry", has_text="paused").wait_for()
        button("Resume")
        seen.page.locator(".entry", has_text="0 this week").wait_for()
        button("Edit the question")
        seen.until(lambda: "box" in seen.asked)
        seen.page.locator(".canvas").focus()
        press("ArrowRight")
        seen.until(lambda: seen.asked["box"] == "0.01,0.2,0.71,0.9")
        button("Save to the watch")
        seen.page.get_by_text("would have fired").wait_for()
        button("Save changes")
        seen.until(lambda: seen.asked == {"watch": "something-at-a-place"})
        (listed,) = seen.page.request.get(f"{url}/api/watches").json()["watches"]
        assert listed["query"]["box"] == [0.01, 0.2, 0.71, 0.9]
        assert listed["hours"].startswith("tue,wed,thu,fri,sat,sun 00:00-00:00")
        press("g")
        press("s")
        seen.until(lambda: "box" in seen.asked)
        press("g")
        press("w")
        seen.until(lambda: "watch" in seen.asked)
        button("Remove")
        button("Remove for good?")
        seen.page.get_by_role("heading", name="No watch yet").wait_for()


def test_who_went_elsewhere_while_a_watch_was_saved_stays_there(visit: VisitPage, own: Path, tmp_path: Path) -> None:
    with running(own, clips=tmp_path / "clips") as url:
        seen = visit(SEARCH, url=url)
        seen.until(seen.moments)
        drafted(seen)
        seen.page.get_by_role("button", name="Save the watch").click()
        seen.until(lambda: seen.asked.get("watch") == "a-white-box")
        held: list[Any] = []
        seen.page.route("**/api/watches/*", lambda route: held.append(route))
        seen.page.get_by_role("button", name="Pause").click()
        seen.until(lambda: held)
        seen.page.get_by_role("button", name="Edit the question").click()
        seen.until(lambda: "q" in seen.asked)
        with seen.page.expect_response("**/api/watches/*") as saved:
            held.pop().continue_()
        assert saved.value.ok
        seen.settle()
        assert seen.asked["q"] == "a white box"
        assert seen.page.get_by_role("button", name="Save to the watch").is_visible()


@pytest.mark.parametrize(("size", "dark"), [(DESKTOP, True), (PHONE, False)])
def test_the_room_is_accessible(visit: VisitPage, own: Path, tmp_path: Path, size: tuple[int, int], dark: bool) -> None:
    with running(own, clips=tmp_path / "clips") as url:
        seen = visit("watches", url=url, size=size, dark=dark)
        seen.page.get_by_role("heading", name="No watch yet").wait_for()
        assert findings(seen) == []
        seen.open(f"watches{SEARCH.replace('?', '?new&')}")
        seen.page.locator(".shot-card img[src]").first.wait_for()
        assert findings(seen) == []
        seen.page.get_by_role("button", name="Save the watch").click()
        seen.page.get_by_text("None yet").wait_for()
        assert findings(seen) == []
