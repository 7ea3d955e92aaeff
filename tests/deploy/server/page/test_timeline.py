"""The timeline. Catches moments that lie elsewhere than they happened, a zoom under which time slides away, parts of
time that an address does not keep, and moments that keys or a pointer cannot open."""

from typing import Any

import pytest

from tests.deploy.server.page.browsing import PHONE, Visit, findings
from tests.deploy.server.page.conftest import VisitPage

SPAN = "timeline?q=box&view=1~3"


def shown(seen: Visit) -> tuple[float, float]:
    """The part of time in the address, in seconds."""
    first, last = map(float, seen.asked["view"].split("~"))
    return first, last


def ready(seen: Visit) -> Visit:
    seen.page.locator(".time-lane .moment img[src]").first.wait_for()
    seen.settle()
    return seen


def test_moments_lie_in_the_lane_of_their_source_at_their_time(visit: VisitPage) -> None:
    seen = ready(visit("timeline?q=box"))
    hits: list[dict[str, Any]] = seen.page.request.post(
        f"{seen.url}/api/search", data={"text": "box", "k": 200}
    ).json()["hits"]
    until_s = seen.page.request.get(f"{seen.url}/api/activity?clock=source").json()["until"]
    lanes = seen.page.locator(".time-lane")
    assert {each["source"] for each in hits} == set(lanes.locator(".lane-name").all_inner_texts())
    for lane in lanes.all():
        own = [hit for hit in hits if hit["source"] == lane.locator(".lane-name").inner_text()]
        assert lane.locator(".lane-count").inner_text() == str(len(own))
        ticks = lane.locator(".tick").evaluate_all("all => all.map(tick => parseFloat(tick.getAttribute('x')) / 100)")
        assert sorted(ticks) == pytest.approx(sorted(hit["pts_s"] / until_s for hit in own), abs=1e-3)
    assert findings(seen) == []


def test_the_wheel_zooms_about_the_pointer_and_the_address_keeps_it(visit: VisitPage) -> None:
    seen = ready(visit("timeline?q=box&view=0~3"))
    track = seen.page.locator(".lane-track").first.bounding_box()
    assert track is not None
    seen.page.mouse.move(track["x"] + 0.25 * track["width"], track["y"] + 4)
    seen.page.keyboard.down("Control")
    seen.page.mouse.wheel(0, -400)
    seen.page.keyboard.up("Control")
    seen.until(lambda: shown(seen)[1] < 2.9)
    first, last = shown(seen)
    assert first + 0.25 * (last - first) == pytest.approx(0.75, abs=0.05)  # what was at the pointer
    seen.page.mouse.down()
    seen.page.mouse.move(track["x"] + 0.05 * track["width"], track["y"] + 4, steps=4)
    seen.page.mouse.up()
    seen.until(lambda: shown(seen)[0] > first)
    moved = shown(seen)
    assert moved[1] - moved[0] == pytest.approx(last - first, abs=0.01)
    assert "open" not in seen.asked  # a drag opens nothing
    seen.page.reload()
    ready(seen)
    assert shown(seen) == moved
    seen.page.keyboard.press("0")
    seen.until(lambda: "view" not in seen.asked)


def test_moments_are_gone_through_by_keys_in_order_of_time(visit: VisitPage) -> None:
    seen = ready(visit("timeline?q=box"))
    marked = "document.activeElement.dataset.key"
    times = []
    for _ in range(4):
        before = seen.page.evaluate(marked)
        seen.page.keyboard.press("l")
        seen.until(lambda before=before: seen.page.evaluate(marked) not in (before, None))  # type: ignore[misc]
        frame = seen.page.evaluate(marked).partition(".")[0]
        times.append(seen.page.request.get(f"{seen.url}/api/frames/{frame}").json()["pts_s"])
    assert times == sorted(times)
    key = seen.page.evaluate(marked)
    seen.page.keyboard.press("+")
    seen.until(lambda: "view" in seen.asked)
    seen.page.keyboard.press("Enter")
    seen.page.locator(".strip button").first.wait_for()
    assert seen.asked["open"] == key
    seen.page.keyboard.press("Escape")
    seen.until(lambda: "open" not in seen.asked and seen.page.evaluate(marked) == key)
    seen.page.keyboard.press("f")  # finds it elsewhere, and stays in this room
    seen.until(lambda: seen.asked.get("frame") == key.partition(".")[0])
    assert "/timeline" in seen.page.url
    seen.page.keyboard.press("g")
    seen.page.keyboard.press("s")
    seen.until(lambda: "/timeline" not in seen.page.url and "frame" in seen.asked)


def test_a_lane_opens_what_was_there_without_a_question(visit: VisitPage) -> None:
    seen = visit("timeline?view=1~3", size=PHONE, dark=True)
    lane = seen.page.get_by_role("group", name="south.mp4")
    lane.wait_for()
    area = lane.locator(".lane-track").bounding_box()
    assert area is not None
    seen.page.mouse.move(area["x"] + area["width"] / 2, area["y"] + 8)
    seen.page.locator(".preview b", has_text="south.mp4").wait_for()
    seen.settle()
    assert findings(seen) == []
    seen.page.mouse.click(area["x"] + area["width"] / 2, area["y"] + 8)
    seen.until(lambda: "open" in seen.asked)
    (source,) = [
        each
        for each in seen.page.request.get(f"{seen.url}/api/sources").json()["sources"]
        if each["name"] == "south.mp4"
    ]
    listed = seen.page.request.get(f"{seen.url}/api/frames?source={source['id']}").json()["frames"]
    after = [each["id"] for each in listed if each["pts_s"] >= 2 - 0.05]  # of a pixel
    assert seen.asked["open"] == after[0]


def test_a_part_of_time_is_searched_alone(visit: VisitPage) -> None:
    seen = ready(visit(SPAN))
    with seen.page.expect_request("**/api/search") as asked:
        seen.page.get_by_role("button", name="Search only this time").click()
    assert (asked.value.post_data_json["since"], asked.value.post_data_json["until"]) == pytest.approx((1, 3))
    seen.page.get_by_role("button", name="Search at any time").click()
    seen.until(lambda: "since" not in seen.asked)
    assert shown(seen) == (1, 3)
