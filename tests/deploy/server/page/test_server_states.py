"""States of the server. Catches a page that forgets its answers when the server stops, or does not come back with it; a
token that is not requested; and an empty lake that looks broken."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

import regionlake as rl
from deploy.server.guard import Access
from tests.deploy.server.page.conftest import VisitPage
from tests.deploy.server.serving import running

TOKEN = "0123456789abcdef"


def test_answers_stay_while_the_server_is_gone(visit: VisitPage, town: Path, tmp_path: Path) -> None:
    access = Access(token=TOKEN, sessions=tmp_path / "sessions.json")
    with running(town, access=access, clips=tmp_path) as url:
        seen = visit("?q=box", url=url)
        seen.page.get_by_role("heading", name="Sign in to this lake").wait_for()
        seen.page.get_by_role("textbox", name="Token").fill("wrong token, long enough")
        seen.page.get_by_role("button", name="Sign in").click()
        seen.page.get_by_text("This token is wrong").wait_for()
        seen.page.get_by_role("textbox", name="Token").fill(TOKEN)
        seen.page.get_by_role("button", name="Sign in").click()
        seen.until(seen.moments)  # pictures have the cookie
        seen.until(lambda: seen.page.locator(".card img[src]").count() > 0)
        shown = seen.moments()
    seen.page.get_by_role("searchbox").fill("white")
    seen.page.get_by_text("The server does not answer").wait_for()
    assert seen.moments() == shown
    number = seen.answer
    with running(town, access=access, clips=tmp_path, port=urlsplit(url).port or 0):
        seen.page.get_by_text("The server is back").wait_for()
        seen.until(lambda: seen.answer > number)
        assert seen.asked == {"q": "white"}


def test_an_empty_lake_says_how_to_fill_it(visit: VisitPage, tmp_path: Path) -> None:
    (tmp_path / "nothing.mp4").write_bytes(b"no video")
    report = rl.ingest(tmp_path / "nothing.mp4", lake=tmp_path / "lake")
    assert not report.ok
    with running(tmp_path / "lake", clips=tmp_path) as url:
        seen = visit(url=url)
        seen.page.get_by_role("heading", name="This lake is empty").wait_for()
        assert "regionlake ingest" in seen.page.locator(".room .empty code").inner_text()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"state": "loading", "error": None}, "The model is being loaded"),
        ({"state": "failed", "error": "it is not installed."}, "it is not installed"),
    ],
)
def test_the_state_of_the_model_is_said(visit: VisitPage, model: dict[str, str | None], said: str) -> None:
    seen = visit()
    answer = seen.page.request.get(f"{seen.url}/api/status").json()
    answer["model"] |= {**model, "confidence": None}
    seen.page.route("**/api/status", lambda route: route.fulfill(json=answer))
    seen.open("?box=0,0,0.5,0.5")
    seen.page.get_by_text(said).wait_for()
    seen.until(seen.moments)  # a box alone needs no model
