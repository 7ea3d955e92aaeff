"""The viewer. Catches clips that do not play, keyframes out of order, searches for something else than was drawn, and a
place in the answers that is lost when it closes."""

from pathlib import Path

import pytest

from tests.deploy.server.page.browsing import Visit
from tests.deploy.server.page.conftest import VisitPage
from tests.deploy.server.serving import running

CLOCK = "document.querySelector('video').currentTime"


def opened(visit: VisitPage, search: str = "?q=box", **look: object) -> Visit:
    seen = visit(search, **look)
    seen.until(seen.moments)
    videos = seen.page.locator(".card:has(.source:text('.mp4'))")
    videos.first.locator(".open").click()
    seen.page.locator(".strip button").first.wait_for()
    return seen


def test_a_clip_plays_by_ranges(visit: VisitPage) -> None:
    seen = opened(visit)
    statuses: list[int] = []
    seen.page.on("response", lambda answer: statuses.append(answer.status) if "/clips/" in answer.url else None)
    seen.page.keyboard.press("Space")
    seen.until(lambda: seen.page.evaluate(CLOCK) > 0.3)
    first = seen.page.locator(".clock").inner_text()
    seen.until(lambda: seen.page.locator(".clock").inner_text() != first)
    assert set(statuses) == {206}
    if not seen.page.evaluate("document.querySelector('video').ended"):  # it lasts two seconds
        assert seen.page.get_by_role("button", name="Pause").is_visible()
        seen.page.keyboard.press("Space")
    seen.until(lambda: seen.page.evaluate("document.querySelector('video').paused"))
    assert seen.page.get_by_role("button", name="Play").is_visible()


def test_keyframes_and_moments_are_stepped_through(visit: VisitPage) -> None:
    seen = opened(visit)
    moment = seen.asked["open"]
    step = seen.page.locator(".strip [aria-current]")
    shown = step.get_attribute("data-frame")
    name = "next" if step.evaluate("e => e.nextElementSibling !== null") else "previous"
    wanted = step.evaluate(f"e => e.{name}ElementSibling.dataset.frame")
    seen.page.keyboard.press("." if name == "next" else ",")
    seen.until(lambda: step.get_attribute("data-frame") == wanted)
    seen.page.keyboard.press("," if name == "next" else ".")
    seen.until(lambda: step.get_attribute("data-frame") == shown)
    seen.page.keyboard.press("l")
    seen.until(lambda: seen.asked["open"] not in (moment, shown))
    seen.page.keyboard.press("j")
    seen.until(lambda: seen.asked["open"] == moment)
    seen.page.go_back()  # all of it was one step
    seen.until(lambda: seen.asked == {"q": "box"})
    assert seen.page.locator(".viewer").is_hidden()


def test_the_address_of_a_moment_opens_it(visit: VisitPage) -> None:
    seen = opened(visit)
    again = visit(seen.page.url.removeprefix(seen.url + "/"))
    again.page.locator(".strip button").first.wait_for()
    assert again.page.locator(".facts h2").inner_text() == seen.page.locator(".facts h2").inner_text()
    again.page.keyboard.press("Escape")
    again.until(lambda: again.asked == {"q": "box"})
    assert again.page.locator(".card.selected").count() == 1


def test_what_is_drawn_in_a_frame_is_found_elsewhere(visit: VisitPage) -> None:
    seen = opened(visit)
    frame = seen.asked["open"].partition(".")[0]
    with seen.page.expect_request("**/api/search") as asked:
        seen.drag(".ground", (0.3, 0.3), (0.5, 0.5), (0.7, 0.8))
        seen.page.get_by_role("button", name="Find what is drawn").click()
    query = asked.value.post_data_json
    assert query["frame"] == frame
    assert query["roi"] == pytest.approx([0.3, 0.3, 0.7, 0.8], abs=0.02)
    assert "text" not in query
    seen.until(lambda: "frame" in seen.asked and "open" not in seen.asked)
    seen.settle()
    assert seen.page.locator(".viewer").is_hidden()
    assert seen.moments()
    assert frame not in {key.partition(".")[0] for key in seen.moments()}
    assert seen.page.locator(".example").inner_text().startswith("this, elsewhere")
    seen.page.keyboard.press("z")
    seen.until(lambda: seen.asked == {"q": "box"})


def test_a_point_selects_a_region_which_is_found_elsewhere(visit: VisitPage) -> None:
    seen = opened(visit)
    area = seen.page.locator(".ground").bounding_box()
    assert area is not None
    with seen.page.expect_response("**/api/region") as answer:
        seen.page.mouse.click(area["x"] + area["width"] * 0.4, area["y"] + area["height"] * 0.5)
    points = answer.value.request.post_data_json["points"]
    assert points[0] == pytest.approx([0.4, 0.5], abs=0.01)
    seen.page.locator(".viewer .mask-layer[data-marked]").wait_for()
    with seen.page.expect_response("**/api/search") as found:
        seen.page.get_by_role("button", name="Find what is marked").click()
    assert found.value.request.post_data_json["points"][0] == pytest.approx(points[0], abs=1e-3)
    assert found.value.json()["region"] == answer.value.json()["box"]  # what was marked is what is looked for


def test_escape_goes_back_one_layer(visit: VisitPage) -> None:
    seen = opened(visit)
    seen.drag(".ground", (0.3, 0.3), (0.5, 0.5))
    drawn = seen.page.locator(".ground .drawn")
    drawn.wait_for()
    seen.page.keyboard.press("Escape")
    drawn.wait_for(state="hidden")
    assert seen.page.locator(".viewer").is_visible()
    seen.page.keyboard.press("Escape")
    assert seen.page.locator(".viewer").is_hidden()


def test_a_picture_has_no_clip(visit: VisitPage) -> None:
    seen = visit("?q=noise")
    seen.until(seen.moments)
    seen.page.get_by_role("button", name="wall.png", exact=True).click()
    seen.until(lambda: seen.page.locator(".card .source").all_inner_texts() == ["wall.png"])
    seen.page.locator(".card .open").click()
    seen.page.get_by_text("This moment has no clip").wait_for()
    assert seen.page.get_by_role("button", name="Play").is_disabled()


def test_a_moment_that_is_gone_is_said_to_be_gone(visit: VisitPage) -> None:
    seen = visit(f"?q=box&open={'0' * 32}")
    seen.page.get_by_text("This moment is not in the lake").wait_for()
    seen.page.keyboard.press("Escape")
    seen.until(seen.moments)


def test_the_shot_of_a_moment_is_pinned_by_a_key_and_unpinned(visit: VisitPage, own: Path, tmp_path: Path) -> None:
    with running(own, clips=tmp_path / "clips") as url:
        seen = opened(visit, url=url)
        frame = seen.asked["open"].partition(".")[0]
        seen.page.get_by_role("combobox", name="For how long").select_option("7")
        seen.page.keyboard.press("p")
        seen.page.get_by_text("Pinned until").wait_for()
        (pin,) = seen.page.request.get(f"{url}/api/pins?frame={frame}").json()["pins"]
        assert pin["expires"] is not None
        seen.page.reload()
        seen.page.get_by_text("Pinned until").wait_for()
        seen.page.get_by_role("button", name="Unpin").click()
        seen.page.get_by_role("button", name="Pin the shot").wait_for()
        assert seen.page.request.get(f"{url}/api/pins").json()["pins"] == []
