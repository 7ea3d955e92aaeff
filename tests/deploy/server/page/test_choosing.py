"""A part of a picture is pointed out, boxed or named, seen, and looked for. Catches a mask that is not of what is
looked for, a search for something else than was marked, and parts that an address forgets."""

from pathlib import Path

import pytest
from PIL import Image

from tests.deploy.disc_picture import DISC, disc_and_square
from tests.deploy.server.page.browsing import DESKTOP, PHONE, Visit, findings
from tests.deploy.server.page.conftest import VisitPage

GROUND = ".picker-ground"
MASK = ".picker .mask-layer[data-marked]"


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dropped") / "disc.png"
    Image.fromarray(disc_and_square()).save(path)
    return path


def opened(visit: VisitPage, picture: Path, **look: object) -> Visit:
    """The picture is searched with, and shown to choose a part of it."""
    seen = visit(**look)
    seen.page.locator("input[type=file]").set_input_files(picture)
    seen.until(lambda: "image" in seen.asked)
    seen.page.get_by_role("button", name="your picture").click()
    seen.page.locator(GROUND).wait_for()
    seen.until(lambda: seen.page.evaluate("document.querySelector('.picker img').naturalWidth") > 0)
    seen.settle()
    return seen


@pytest.mark.parametrize(("size", "dark"), [(DESKTOP, True), (PHONE, False)])
def test_a_point_in_a_dropped_picture_is_marked_and_found(
    visit: VisitPage, picture: Path, size: tuple[int, int], dark: bool
) -> None:
    seen = opened(visit, picture, size=size, dark=dark)
    with seen.page.expect_response("**/api/region") as answer:
        seen.click(GROUND, 0.3, 0.4)
    seen.page.locator(MASK).wait_for(state="attached")
    shape = seen.page.locator(".picker .mask-layer .fill").bounding_box()
    ground = seen.page.locator(GROUND).bounding_box()
    assert shape is not None
    assert ground is not None
    drawn = [
        (shape["x"] - ground["x"]) / ground["width"],
        (shape["y"] - ground["y"]) / ground["height"],
        (shape["x"] + shape["width"] - ground["x"]) / ground["width"],
        (shape["y"] + shape["height"] - ground["y"]) / ground["height"],
    ]
    assert drawn == pytest.approx(DISC, abs=0.03)
    assert findings(seen) == []
    with seen.page.expect_response("**/api/search") as found:
        seen.page.get_by_role("button", name="Find what is marked").click()
    asked = found.value.request.post_data_json
    assert asked["points"][0] == pytest.approx([0.3, 0.4], abs=0.01)
    assert "roi" not in asked
    assert found.value.json()["region"] == pytest.approx(answer.value.json()["box"])
    seen.until(seen.moments)
    with seen.page.expect_request("**/api/search") as again:
        seen.page.reload()
    assert again.value.post_data_json == asked  # the address knows the part
    seen.page.get_by_text("part of your picture").wait_for()


def test_a_box_is_looked_for_whole_or_as_what_is_marked_in_it(visit: VisitPage, picture: Path) -> None:
    seen = opened(visit, picture)
    seen.drag(GROUND, (0.1, 0.15), (0.3, 0.4), (0.5, 0.65))
    seen.page.locator(MASK).wait_for(state="attached")
    with seen.page.expect_request("**/api/search") as asked:
        seen.page.get_by_role("button", name="Find what is marked").click()
    assert asked.value.post_data_json["prompt_box"] == pytest.approx([0.1, 0.15, 0.5, 0.65], abs=0.01)
    seen.until(seen.moments)
    seen.page.get_by_role("button", name="part of your picture").click()
    seen.drag(GROUND, (0.1, 0.15), (0.3, 0.4), (0.5, 0.65))
    with seen.page.expect_request("**/api/search") as asked:
        seen.page.get_by_role("button", name="Find what is drawn").click()
    assert asked.value.post_data_json["roi"] == pytest.approx([0.1, 0.15, 0.5, 0.65], abs=0.01)
    assert "prompt_box" not in asked.value.post_data_json


def test_a_part_is_named_by_words_and_given_up_by_escape(visit: VisitPage, picture: Path) -> None:
    seen = opened(visit, picture)
    before = seen.asked
    seen.page.get_by_role("textbox", name="What it is, in words").fill("a blue square")
    seen.page.keyboard.press("Enter")
    seen.page.locator(MASK).wait_for(state="attached")
    seen.page.keyboard.press("Escape")
    seen.page.locator(".picker").wait_for(state="hidden")
    assert seen.asked == before
