"""Fixtures for every test: the folder of real clips, and what fails loudly when it is absent."""

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests.checkpoints import Checkpoints
from tests.clips import Clips

if TYPE_CHECKING:  # most tests need neither torch nor transformers
    from tests.segmenters import Segmenters

ROOT = Path(__file__).parent.parent
# as Hypothesis has it for CI: the same examples each time, and no deadline on a busy machine
settings.register_profile("here", settings.get_profile("ci"), max_examples=50)
settings.load_profile("here")


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
    parser.addoption("--kill-rounds", type=int, default=3, help="kills on Ray in tests/integration/test_kill.py")


@cache
def starts_ray(path: Path) -> bool:
    """Whether tests of this file start a cluster."""
    return "pytest.mark.ray" in path.read_text()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with clusters take longest and come first: another worker then has the many short ones for its time."""
    items.sort(key=lambda item: not starts_ray(item.path))


class FilesAndClusters(LoadFileScheduling):
    """For several workers: a file stays whole, for its fixtures, and one worker has all files with clusters."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "ray" if starts_ray(ROOT / path) else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    return FilesAndClusters(config, log)


@pytest.fixture(scope="session")
def kill_rounds(request: pytest.FixtureRequest) -> int:
    """How many processes the kill test on Ray kills; that on one process kills a quarter as many of each kind."""
    return int(request.config.getoption("--kill-rounds"))
