"""Users of the page. Catches a role that is offered what it may not do, a source that is shown to somebody who may not
see it, and anything that stays after one has signed out."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.server.access.users_file import UsersFile
from deploy.server.feeding.feed_access import FeedAccess
from deploy.server.guard import Access
from deploy.server.ingesting.ingest_runs import IngestRuns
from pipeline.live.feeds.feed_list import FeedEntry, FeedList
from pipeline.plan.plan import Plan
from tests.deploy.server.page.browsing import DESKTOP, PHONE, Visit, findings
from tests.deploy.server.page.conftest import VisitPage
from tests.deploy.server.serving import running


@pytest.fixture(scope="module")
def enrolled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The file of users, and the token of each."""
    users = UsersFile(tmp_path_factory.mktemp("users of the page") / "users.toml")
    made = {role: users.add(role, role=role, sources=None) for role in ("viewer", "operator", "admin")}
    made["guest"] = users.add("guest", role="viewer", sources=("yard.mp4",))
    return users.path, made


@pytest.fixture(scope="module")
def tokens(enrolled: tuple[Path, dict[str, str]]) -> dict[str, str]:
    return enrolled[1]


@pytest.fixture(scope="module")
def shared(town: Path, enrolled: tuple[Path, dict[str, str]]) -> Iterator[str]:
    """The address of a service with users, two feeds and a folder."""
    users_path, folder = enrolled[0], enrolled[0].parent
    feeds = FeedList(folder / "cameras.toml")
    for name in ("gate", "porch"):
        feeds.add(name, FeedEntry(f"rtsp://10.0.0.5/{name}"))
    (folder / "videos").mkdir()
    with running(
        town,
        access=Access(users=UsersFile(users_path)),
        clips=folder / "clips",
        feeds=FeedAccess(feeds.path, ["10.0.0.0/8"]),
        ingests=IngestRuns(str(town), Plan(), {"videos": folder / "videos"}),
    ) as url:
        yield url


def signed_in(seen: Visit, token: str) -> None:
    seen.page.get_by_role("textbox", name="Token").fill(token)
    seen.page.get_by_role("button", name="Sign in").click()


def offered(seen: Visit, *names: str) -> list[str]:
    return [name for name in names if seen.page.get_by_role("button", name=name).locator("visible=true").count()]


ACTIONS = ("Save as watch", "Add a feed", "Ingest videos", "Pause: gate", "Remove: gate", "Pin the shot")


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("viewer", ()),
        ("operator", ("Save as watch", "Ingest videos", "Pause: gate", "Pin the shot")),
        ("admin", ACTIONS),
    ],
)
def test_a_role_is_offered_what_it_may_do(
    role: str, may: tuple[str, ...], visit: VisitPage, shared: str, tokens: dict[str, str]
) -> None:
    seen = visit("live", url=shared)
    signed_in(seen, tokens[role])
    seen.page.locator('[data-feed="gate"]').wait_for()
    found = offered(seen, *ACTIONS)
    seen.open("lake")
    seen.page.get_by_role("region", name="Service").get_by_text("search and see").wait_for()
    seen.settle()
    found += offered(seen, "Ingest videos")
    seen.open("?q=box")
    seen.until(seen.moments)
    seen.settle()
    found += offered(seen, "Save as watch")
    seen.page.locator(".card .open").first.click()
    seen.page.locator(".strip button").first.wait_for()
    seen.settle()
    found += offered(seen, "Pin the shot")
    assert sorted(found) == sorted(may)
    seen.page.keyboard.press("p")
    if "Pin the shot" in may:
        seen.page.get_by_role("button", name="Unpin").wait_for()
        seen.page.keyboard.press("p")
        seen.page.get_by_role("button", name="Pin the shot").wait_for()
    else:
        seen.settle()
        assert seen.page.request.get(f"{shared}/api/pins").json()["pins"] == []


def test_one_signs_in_to_what_was_asked_and_nothing_stays_after_signing_out(
    visit: VisitPage, shared: str, tokens: dict[str, str]
) -> None:
    seen = visit("?q=box", url=shared)
    signed_in(seen, tokens["guest"])
    seen.until(seen.moments)
    assert {each.inner_text() for each in seen.page.locator(".card .source").all()} == {"yard.mp4"}
    seen.page.get_by_role("button", name="Signed in as guest").click()
    seen.page.get_by_text("sees yard.mp4").wait_for()
    picture = seen.page.locator(".card img[src]").first.evaluate("image => image.src")
    seen.page.get_by_role("button", name="Sign out").click()
    seen.page.get_by_role("textbox", name="Token").wait_for()
    assert seen.moments() == []
    assert seen.asked == {"q": "box"}  # for whoever signs in next
    assert seen.page.request.get(picture).status == 401
    signed_in(seen, tokens["viewer"])
    seen.until(seen.moments)
    assert len({each.inner_text() for each in seen.page.locator(".card .source").all()}) > 1


@pytest.mark.parametrize(("size", "dark"), [(DESKTOP, False), (DESKTOP, True), (PHONE, False)])
def test_signing_in_and_out_have_no_serious_finding(
    size: tuple[int, int], dark: bool, visit: VisitPage, shared: str, tokens: dict[str, str]
) -> None:
    seen = visit("?q=box", url=shared, size=size, dark=dark)
    signed_in(seen, "wrong token")
    seen.page.get_by_text("This token is wrong").wait_for()
    assert findings(seen) == []
    signed_in(seen, tokens["viewer"])
    seen.until(seen.moments)
    seen.page.get_by_role("button", name="Signed in as viewer").click()
    seen.page.get_by_role("button", name="Sign out").wait_for()
    seen.settle()
    assert findings(seen) == []
