"""axe-core, in the usual states. Catches missing names, weak contrast, and controls that keys cannot reach."""

import pytest

from tests.deploy.server.page.browsing import DESKTOP, PHONE, findings
from tests.deploy.server.page.conftest import VisitPage

LOOKS = [(DESKTOP, False), (DESKTOP, True), (PHONE, False)]


@pytest.mark.parametrize(("size", "dark"), LOOKS)
def test_no_state_has_a_serious_finding(visit: VisitPage, size: tuple[int, int], dark: bool) -> None:
    seen = visit(size=size, dark=dark)
    seen.page.locator(".starts img").first.wait_for()
    assert findings(seen) == []
    seen.open("?q=box&box=0.1,0.1,0.6,0.9&since=2")
    seen.until(seen.moments)
    if size == PHONE:
        seen.page.locator(".summary .chip").first.click()
    seen.settle()
    assert findings(seen) == []
    seen.page.locator(".card .open").first.click()
    seen.page.locator(".strip button").first.wait_for()
    assert findings(seen) == []
    seen.open("?q=box&since=1000")
    seen.page.get_by_role("heading", name="No moment matches").wait_for()
    seen.settle()
    assert findings(seen) == []
