"""A lake of three clips and a picture, `regionlake serve` on it, and Debian's Chromium."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import regionlake as rl
from tests.deploy.server.page.browsing import CHROMIUM, Visit, chromium
from tests.deploy.server.serving import served
from tests.integration.clips import make_clip

if TYPE_CHECKING:
    from playwright.sync_api import Browser

VisitPage = Callable[..., Visit]


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake: `north.mp4`, `south.mp4` and `yard.mp4`, in whose second halves a white box moves, and `wall.png`."""
    folder = tmp_path_factory.mktemp("town")
    (folder / "videos").mkdir()
    for seed, name in enumerate(("north", "south", "yard"), start=3):
        make_clip(folder / "videos" / f"{name}.mp4", seed=seed, seconds=4)
    noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    Image.fromarray(noise).resize((640, 480)).save(folder / "videos" / "wall.png")
    report = rl.ingest(folder / "videos", lake=folder / "town")
    assert report.ok
    return folder / "town"


@pytest.fixture
def own(town: Path, tmp_path: Path) -> Path:
    """A copy of the lake, which a test may change."""
    return Path(shutil.copytree(town, tmp_path / "town"))


@pytest.fixture(scope="session")
def address(town: Path) -> Iterator[str]:
    with served(town) as address:
        yield address


# of a module: Playwright's loop runs in this thread, and other tests of the process start loops of their own
@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    pytest.importorskip("playwright", reason="playwright is not installed; run: bash deploy/setup.sh test")
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed, in which the page is tried; run: apt-get install chromium")
    with chromium() as browser:
        yield browser


@pytest.fixture
def visit(browser: "Browser", request: pytest.FixtureRequest) -> Iterator[VisitPage]:
    """Opens the page in a fresh profile; fails if a script of the page did, or if its policy refused something."""
    visits: list[Visit] = []

    def open_page(search: str = "", *, url: str | None = None, **look: object) -> Visit:
        visits.append(Visit(browser, url or request.getfixturevalue("address"), **look))  # type: ignore[arg-type]
        return visits[-1].open(search)

    yield open_page
    for each in visits:
        each.close()
    assert [error for each in visits for error in each.errors] == []
