"""Fixtures for every test: the folder of real clips, and what fails loudly when it is absent."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.checkpoints import Checkpoints
from tests.clips import Clips

if TYPE_CHECKING:  # most tests need neither torch nor transformers
    from tests.segmenters import Segmenters

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real clips with ground truth: $REGIONLAKE_TEST_DATA, or `../shared/data` beside the checkout."""
    folder = Path(os.environ.get("REGIONLAKE_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}; set REGIONLAKE_TEST_DATA to the folder of pets09-s2l1 and others")
    return folder


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    """Makes a clip of tests/clips.py by its name, e.g. `clips("vfr.mp4")`."""
    return Clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Checkpoints:
    """Writes a small model with random weights by its type, e.g. `checkpoints("clip")`."""
    return Checkpoints(tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture(scope="session")
def segmenters(tmp_path_factory: pytest.TempPathFactory) -> "Segmenters":
    """Writes a small segmenter with random weights by its type, e.g. `segmenters("sam2")`."""
    from tests.segmenters import Segmenters

    return Segmenters(tmp_path_factory.mktemp("segmenters"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kill-rounds", type=int, default=5, help="kills in tests/integration/test_kill.py")


@pytest.hookimpl(tryfirst=True)  # before xdist looks for the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """For several workers (`-n 2 --dist loadgroup`): files stay whole, for their fixtures, and one worker has all
    clusters of Ray. These files take longest and come first; the other worker fills its time with the rest."""
    with_ray = {item.path for item in items if item.get_closest_marker("ray") is not None}
    for item in items:
        item.add_marker(pytest.mark.xdist_group("ray" if item.path in with_ray else str(item.path)))
    items.sort(key=lambda item: item.path not in with_ray)


@pytest.fixture(scope="session")
def kill_rounds(request: pytest.FixtureRequest) -> int:
    """How many processes the kill tests kill."""
    return int(request.config.getoption("--kill-rounds"))
