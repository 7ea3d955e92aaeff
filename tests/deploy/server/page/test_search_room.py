"""Searching by hand. Catches queries without the drawn box, older answers over newer ones, lost undo, addresses that
ask something else, pictures whose boxes are in the wrong place, and refusals that do not say what to do."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.deploy.server.page.browsing import DESKTOP, PHONE, Box, Visit, box_of, iou
from tests.deploy.server.page.conftest import VisitPage

LEFT = (0.05, 0.3, 0.45, 0.9)


def box_asked(visit: Visit) -> Box:
    return box_of(f".{visit.asked['box']}")


def test_words_and_a_drawn_box_find_regions_that_overlap_it(visit: VisitPage) -> None:
    seen = visit()
    seen.page.get_by_role("heading", name="Find when this appeared there").wait_for()
    seen.until(lambda: seen.page.locator(".starts button").count() == 4)
    seen.page.get_by_role("searchbox").fill("a white box")
    seen.until(seen.moments)
    seen.drag(".canvas", LEFT[:2], (0.2, 0.5), LEFT[2:])
    seen.until(lambda: "box" in seen.asked)
    seen.settle()
    assert box_asked(seen) == pytest.approx(LEFT, abs=0.02)
    overlaps = iou([box_of(key) for key in seen.moments()], LEFT)
    assert len(overlaps) >= 8
    assert min(overlaps) > 0
    assert seen.page.get_by_role("radio", name="Exactly here").is_checked()
    first = seen.moments()
    seen.page.reload()  # the address asks the same
    seen.until(seen.moments)
    assert seen.moments() == first
    assert seen.page.get_by_role("searchbox").input_value() == "a white box"


def test_moments_are_ranked_again_while_one_drags(visit: VisitPage) -> None:
    seen = visit("?box=0.0,0.0,0.3,0.3")
    seen.until(seen.moments)
    before, number = seen.moments(), seen.answer
    asked = seen.bodies("/api/search")
    seen.drag(".canvas", (0.15, 0.15), (0.2, 0.2), (0.4, 0.4), (0.8, 0.8), drop=False)
    seen.until(lambda: seen.answer > number and seen.moments() != before)  # the button is still down
    assert "0.3" in seen.asked["box"]  # and the address is not changed by every movement
    seen.page.mouse.up()
    seen.settle()
    assert asked[-1]["box"] == pytest.approx([0.65, 0.65, 0.95, 0.95], abs=0.02)
    assert min(iou([box_of(key) for key in seen.moments()], tuple(asked[-1]["box"]))) > 0
    shown = seen.moments()
    fresh = visit(seen.page.url.removeprefix(seen.url + "/"))
    fresh.until(fresh.moments)
    assert fresh.moments() == shown


def test_one_request_is_in_the_air_and_the_newest_answer_wins(visit: VisitPage) -> None:
    seen = visit("?q=box")
    seen.until(seen.moments)
    number = seen.answer
    in_air, most = [0], [0]

    def slowly(route: Any) -> None:
        in_air[0] += 1
        most[0] = max(most[0], in_air[0])
        answer = route.fetch()
        seen.page.wait_for_timeout(120)
        in_air[0] -= 1
        route.fulfill(response=answer)

    seen.page.route("**/api/search", slowly)
    asked = seen.bodies("/api/search")
    seen.drag(".canvas", *((0.1 + at / 40, 0.1 + at / 40) for at in range(24)))
    seen.until(lambda: "box" in seen.asked)
    last = box_asked(seen)
    seen.until(lambda: tuple(asked[-1].get("box", ())) == last)
    seen.settle()
    assert most[0] <= 2  # the last is asked at once, and what was in the air before is aborted
    assert len(asked) < 24
    assert seen.answer > number
    assert min(iou([box_of(key) for key in seen.moments()], last)) > 0


def test_what_is_typed_later_replaces_a_slow_answer(visit: VisitPage) -> None:
    seen = visit()
    held: list[Any] = []
    seen.page.route("**/api/search", lambda route: held.append(route) if not held else route.continue_())
    seen.page.get_by_role("searchbox").fill("grey wall")
    seen.until(lambda: held)
    seen.page.locator(".progress").wait_for(state="visible")  # a bar, after a while
    with seen.page.expect_event("requestfailed"):  # aborted
        seen.page.get_by_role("searchbox").fill("white box")
    seen.until(seen.moments)
    seen.page.locator(".progress").wait_for(state="hidden")
    seen.until(lambda: seen.asked == {"q": "white box"})


def test_everything_is_done_by_keys(visit: VisitPage) -> None:
    seen = visit()
    seen.page.locator(".starts button").first.wait_for()
    press = seen.page.keyboard.press
    press("/")
    seen.page.keyboard.type("box")
    press("Enter")
    seen.until(seen.moments)
    seen.page.locator(".canvas").focus()
    press("Enter")
    seen.until(lambda: seen.asked.get("box") == "0.35,0.3,0.65,0.7")
    press("ArrowRight")
    seen.until(lambda: seen.asked.get("box") == "0.36,0.3,0.66,0.7")
    press("Shift+ArrowDown")
    seen.until(lambda: seen.asked.get("box") == "0.36,0.35,0.66,0.75")
    press("Alt+ArrowLeft")
    seen.until(lambda: seen.asked.get("box") == "0.36,0.35,0.65,0.75")
    press("Delete")
    seen.until(lambda: "box" not in seen.asked)
    seen.page.evaluate("document.activeElement.blur()")
    press("z")
    seen.until(lambda: seen.asked.get("box") == "0.36,0.35,0.65,0.75")
    press("z")
    seen.until(lambda: seen.asked.get("box") == "0.36,0.35,0.66,0.75")
    press("Shift+Z")
    seen.until(lambda: seen.asked.get("box") == "0.36,0.35,0.65,0.75")
    seen.settle()
    press("ArrowRight")
    press("ArrowRight")
    selected = seen.page.locator(".card.selected")
    assert selected.get_attribute("data-key") == seen.moments()[1]
    press("Enter")
    seen.until(lambda: seen.asked.get("open") == seen.moments()[1])
    press("Escape")
    seen.until(lambda: "open" not in seen.asked)
    assert selected.get_attribute("data-key") == seen.moments()[1]
    assert seen.page.evaluate("document.activeElement.closest('.card') !== null")
    press("?")
    assert seen.page.get_by_role("dialog").is_visible()
    press("Escape")
    assert not seen.page.get_by_role("dialog").is_visible()


def test_a_drag_is_given_up_with_escape(visit: VisitPage) -> None:
    seen = visit("?q=box&box=0.1,0.1,0.4,0.4")
    seen.until(seen.moments)
    shown = seen.moments()
    seen.drag(".canvas", (0.2, 0.2), (0.6, 0.6), drop=False)
    seen.page.keyboard.press("Escape")
    seen.page.mouse.up()
    seen.settle()
    assert seen.asked["box"] == "0.1,0.1,0.4,0.4"
    seen.until(lambda: seen.moments() == shown)


def test_handles_resize_the_box(visit: VisitPage) -> None:
    seen = visit("?box=0.2,0.2,0.6,0.6")
    seen.until(seen.moments)
    seen.drag(".canvas", (0.6, 0.4), (0.7, 0.45), (0.8, 0.5))
    seen.until(lambda: box_asked(seen) == pytest.approx((0.2, 0.2, 0.8, 0.6), abs=0.01))
    seen.drag(".canvas", (0.2, 0.2), (0.5, 0.5), (0.9, 0.9))  # across the opposite corner
    seen.until(lambda: box_asked(seen) == pytest.approx((0.8, 0.6, 0.9, 0.9), abs=0.01))


def test_a_zone_is_drawn_corner_by_corner(visit: VisitPage) -> None:
    seen = visit("?q=box")
    seen.until(seen.moments)
    asked = seen.bodies("/api/search")
    seen.page.get_by_role("radio", name="In this zone").check()
    for corner in ((0.1, 0.2), (0.8, 0.2), (0.8, 0.9), (0.1, 0.9), (0.1, 0.2)):
        seen.click(".canvas", *corner)
    seen.until(lambda: "zone" in seen.asked)
    seen.settle()
    (zone,) = asked[-1]["zones"]
    sides = [side for corner in zone for side in corner]
    assert sides == pytest.approx([0.1, 0.2, 0.8, 0.2, 0.8, 0.9, 0.1, 0.9], abs=0.01)
    assert seen.moments()
    for x0, y0, x1, y1 in map(box_of, seen.moments()):
        inside = max(0, min(x1, 0.8) - max(x0, 0.1)) * max(0, min(y1, 0.9) - max(y0, 0.2))
        assert inside >= 0.45 * (x1 - x0) * (y1 - y0)  # half of it, and a pixel of the mouse
    seen.click(".canvas", 0.4, 0.9)  # on a side: another corner
    seen.until(lambda: seen.asked["zone"].count("_") == 4)
    seen.drag(".canvas", (0.8, 0.2), (0.7, 0.3), (0.6, 0.4))
    seen.until(
        lambda: tuple(map(float, seen.asked["zone"].split("_")[1].split(","))) == pytest.approx((0.6, 0.4), abs=0.01)
    )
    kept = seen.asked["zone"]
    seen.drag(".canvas", (0.6, 0.4), (0.05, 0.6))  # across another side: it stays where it was
    seen.click(".canvas", 0.4, 0.9, button="right")
    seen.until(lambda: seen.asked["zone"].count("_") == 3)
    assert seen.asked["zone"].split("_") == kept.split("_")[:3] + kept.split("_")[4:]
    seen.settle()
    again = visit(seen.page.url.removeprefix(seen.url + "/"))
    again.until(again.moments)
    assert again.moments() == seen.moments()
    assert again.page.get_by_role("radio", name="In this zone").is_checked()


def test_nothing_found_says_which_condition_excluded_how_many(visit: VisitPage) -> None:
    seen = visit("?q=box&since=1000")
    seen.page.get_by_role("heading", name="No moment matches").wait_for()
    loosen = seen.page.get_by_role("button", name="at any time")
    loosen.wait_for()
    assert int(loosen.inner_text().split()[0]) > 8
    loosen.click()
    seen.until(seen.moments)
    assert seen.asked == {"q": "box"}


def test_only_few_above_the_cut_off_are_said_to_be_few(visit: VisitPage) -> None:
    seen = visit("?q=box")
    seen.until(seen.moments)
    sure = sorted((int(each.split()[0]) for each in seen.page.locator(".foot .value").all_inner_texts()), reverse=True)
    shown = visit(f"?q=box&sure={(sure[0] - 0.5) / 100}")
    shown.until(shown.moments)
    assert len(shown.moments()) < 8
    shown.page.get_by_role("button", name="Show less certain ones").click()
    shown.until(lambda: len(shown.moments()) >= 8)
    shown.until(lambda: "sure" not in shown.asked)


def test_a_time_range_is_brushed_on_the_activity(visit: VisitPage) -> None:
    seen = visit("?q=box")
    seen.until(seen.moments)
    seen.page.locator(".histogram").wait_for()
    seen.drag(".histogram", (0.5, 0.5), (0.7, 0.5), (0.99, 0.5))
    seen.until(lambda: "since" in seen.asked)
    since = float(seen.asked["since"])
    assert 1.5 < since < 3.0
    seen.settle()
    times = seen.page.locator(".card .time").all_inner_texts()
    assert times
    assert all(float(each.partition(":")[2]) >= since - 0.1 for each in times)
    seen.page.get_by_role("button", name="Any time").first.click()
    seen.until(lambda: "since" not in seen.asked)


def test_sources_order_and_groups(visit: VisitPage) -> None:
    seen = visit("?q=box")
    seen.until(seen.moments)
    assert seen.page.locator(".group-head").count() >= 2
    seen.page.get_by_role("button", name="yard.mp4", exact=True).click()
    seen.until(lambda: set(seen.page.locator(".card .source").all_inner_texts()) == {"yard.mp4"})
    seen.page.get_by_label("Order").select_option("newest")
    seen.page.get_by_label("Group").select_option("none")
    seen.until(lambda: seen.asked.get("order") == "newest" and seen.page.locator(".tile").count() == 0)
    seen.settle()
    times = [float(each.partition(":")[2]) for each in seen.page.locator(".card .time").all_inner_texts()]
    newest = seen.page.locator(f"[data-key='{seen.moments()[0]}'] .time").inner_text()
    assert newest == f"0:{max(times):04.1f}"


def test_a_picture_is_searched_with_and_a_wrong_upload_is_refused(visit: VisitPage, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    Image.new("RGB", (64, 48), "white").save(tmp_path / "white.png")
    seen = visit("?q=box")
    seen.until(seen.moments)
    seen.page.locator("input[type=file]").set_input_files(tmp_path / "notes.txt")
    notice = seen.page.locator(".notice.refused")
    notice.wait_for()
    assert "notes.txt cannot be searched with" in notice.inner_text()
    assert seen.moments()  # the answers stay
    number = seen.answer
    seen.page.locator("input[type=file]").set_input_files(tmp_path / "white.png")
    seen.until(lambda: "image" in seen.asked and seen.answer > number)
    assert seen.page.locator(".example").inner_text().startswith("your picture")
    assert not notice.is_visible()
    seen.page.get_by_role("button", name="Remove the example").click()
    seen.until(lambda: seen.asked == {"q": "box"})


def test_what_is_no_longer_there_is_removed_by_one_click(visit: VisitPage) -> None:
    seen = visit(f"?image={'0' * 32}")
    seen.page.get_by_role("heading", name="The search was refused").wait_for()
    seen.page.get_by_role("button", name="Remove the example").last.click()
    seen.page.get_by_role("heading", name="Find when this appeared there").wait_for()
    seen = visit(f"?q=box&source={'0' * 32}")
    seen.page.get_by_role("button", name="Search all sources").click()
    seen.until(seen.moments)


@pytest.mark.parametrize(("size", "columns"), [(DESKTOP, 4), (PHONE, 2)])
def test_boxes_on_close_ups_lie_where_the_service_cut_them(
    visit: VisitPage, size: tuple[int, int], columns: int
) -> None:
    seen = visit("?q=box&box=0.6,0.1,0.9,0.5", size=size)
    seen.until(seen.moments)
    tops = [
        each["y"]
        for each in (seen.page.locator(f"[data-key='{key}']").bounding_box() for key in seen.moments()[:columns])
        if each
    ]
    assert len(tops) == columns
    assert len(set(tops)) == 1
    compared = 0
    for key in seen.moments()[:4]:
        image = seen.page.locator(f"[data-key='{key}'] img")
        seen.until(lambda image=image: image.get_attribute("src"))  # type: ignore[misc]
        answer = seen.page.request.get(f"{seen.url}/{image.get_attribute('src')}")
        if "box=" not in answer.url:
            continue
        cut = [float(side) for side in answer.headers["x-cut"].split(",")]
        box = box_of(key)
        around = image.bounding_box()
        drawn = seen.page.locator(f"[data-key='{key}'] .answer").bounding_box()
        assert around is not None
        assert drawn is not None
        # the close-ups of this lake's frames, 4:3, fill a card
        wanted = around["x"] + (box[0] - cut[0]) / (cut[2] - cut[0]) * around["width"]
        assert drawn["x"] == pytest.approx(max(wanted, around["x"]), abs=2)
        wanted = around["y"] + (box[1] - cut[1]) / (cut[3] - cut[1]) * around["height"]
        assert drawn["y"] == pytest.approx(max(wanted, around["y"]), abs=2)
        compared += 1
    assert compared > 0
