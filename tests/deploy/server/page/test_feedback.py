"""More and less like this. Catches a judgement that does not reach the search, the address, or undo."""

from tests.deploy.server.page.browsing import findings
from tests.deploy.server.page.conftest import VisitPage


def test_hits_are_judged_by_keys_and_buttons_and_taken_back(visit: VisitPage) -> None:
    seen = visit("?q=box&group=none")
    seen.until(seen.moments)
    page, before = seen.page, seen.moments()
    last = page.locator(".card .open").nth(3)
    last.focus()
    page.keyboard.press("+")
    seen.until(lambda: "like" in seen.asked and seen.moments() != before)
    seen.settle()
    page.locator(".card .open").nth(0).focus()
    page.keyboard.press("-")
    seen.until(lambda: {"like", "unlike"} <= set(seen.asked))
    seen.settle()
    assert page.locator(".example.judged").count() == 2
    assert page.locator(".verdict:visible").count() >= 1
    assert page.get_by_role("button", name="Save as watch").is_disabled()
    assert findings(seen) == []
    both, shown = page.url, seen.moments()
    page.locator("body").click(position={"x": 5, "y": 700})
    page.keyboard.press("z")
    seen.until(lambda: "unlike" not in seen.asked)
    page.get_by_role("button", name="Take back: more like this").click()
    seen.until(lambda: "like" not in seen.asked and seen.moments() == before)
    page.goto(both)  # a link shows the same
    seen.until(lambda: seen.moments() == shown)
    page.locator(".card:not(:has(.verdict:not([hidden]))) .open").first.click()
    page.locator(".verdicts").get_by_role("button", name="Less like this").click()
    seen.until(lambda: page.locator(".example.judged.unlike").count() == 2)


def test_what_a_moment_shows_is_found_later_in_its_source(visit: VisitPage) -> None:
    seen = visit("?q=box&group=none")
    seen.until(seen.moments)
    card = seen.page.locator(".card").first
    source = card.locator(".source").inner_text()
    card.locator(".open").click()
    seen.page.locator(".strip button").first.wait_for()
    seen.page.get_by_role("button", name="Find this later").click()
    seen.until(lambda: {"frame", "since", "source"} <= set(seen.asked))
    assert seen.asked["order"] == "oldest"
    seen.settle()
    shown = {each.inner_text() for each in seen.page.locator(".card .source").all()}
    assert shown <= {source}
