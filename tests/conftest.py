"""Fixtures for all tests, such as the folder of real clips and the command line in this process."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests.clips import Clips

if TYPE_CHECKING:  # most tests need neither torch nor transformers
    from tests.checkpoints import Checkpoints
    from tests.segmenters import Segmenters

ROOT = Path(__file__).parent.parent
Run = Callable[
    ..., "subprocess.CompletedProcess[str]"
]  # called with arguments of `regionlake`; returns its exit code and its output
# Hypothesis' profile for CI: the same examples each time, and no deadline on a busy machine
settings.register_profile("here", settings.get_profile("ci"), max_examples=50)
settings.register_profile("long", settings.get_profile("here"), max_examples=20_000, derandomize=False)
settings.load_profile("here")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real clips with ground truth: $REGIONLAKE_TEST_DATA, or `../shared/data` next to the checkout."""
    folder = Path(os.environ.get("REGIONLAKE_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}; set REGIONLAKE_TEST_DATA to the folder of pets09-s2l1 and others")
    return folder


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    """Makes a clip of tests/clips.py by its name, e.g. `clips("vfr.mp4")`."""
    return Clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> "Checkpoints":
    """Writes a small model with random weights by its type, e.g. `checkpoints("clip")`."""
    from tests.checkpoints import Checkpoints

    return Checkpoints(tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture(scope="session")
def segmenters(tmp_path_factory: pytest.TempPathFactory) -> "Segmenters":
    """Writes a small segmenter with random weights by its type, e.g. `segmenters("sam2")`."""
    from tests.segmenters import Segmenters

    return Segmenters(tmp_path_factory.mktemp("segmenters"))


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs `regionlake ARGUMENTS…` in this process, which has imported everything, without setting up its log."""
    from deploy.cli.main import main

    def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        words = [*map(str, arguments)]
        monkeypatch.setattr(sys, "argv", ["regionlake", *words])
        capfd.readouterr()
        code: str | int | None = 0
        try:
            main()
        except SystemExit as leaving:
            code = leaving.code
        printed, reported = capfd.readouterr()
        return subprocess.CompletedProcess(words, int(code or 0), printed, reported)

    return run


@pytest.fixture
def ray_cluster() -> str:
    """Connects this process to a Ray cluster of two CPUs, which stays for the next test; returns its address."""
    import ray

    if not ray.is_initialized():
        # "local": without an address it joins a cluster that another run has started on this machine
        ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    return str(ray.get_runtime_context().gcs_address)


def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Ends the cluster of `ray_cluster` after the last test of its group: an idle one takes 7 % of a core."""
    ray = sys.modules.get("ray")
    if ray is not None and (nextitem is None or group(nextitem.path) != "clusters"):
        ray.shutdown()


@pytest.fixture
def no_ray() -> None:
    """Ends the cluster of `ray_cluster`, for a test that starts its own."""
    import ray

    ray.shutdown()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kill-rounds", type=int, default=3, help="kills on Ray in tests/integration/test_kill_on_ray.py")
    parser.addoption("--every-file", action="store_true", help="damage every file in tests/pipeline/lake/repair")


@cache
def group(path: Path) -> str:
    """The group of a test file, which one worker runs: tests that start clusters, follow feeds, or share a lake."""
    if "pytest.mark.ray" in path.read_text():
        return "clusters"
    if path.is_relative_to(ROOT / "tests" / "live"):
        return "feeds"
    if path.is_relative_to(ROOT / "tests" / "deploy" / "server" / "page"):
        return "page"
    return "commands" if path.parent == ROOT / "tests" / "deploy" / "cli" else str(path)


FIRST = ("clusters", "feeds", "commands", "integration", "lab")  # groups and folders that take longest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest tests first: other workers then run the many short tests meanwhile."""

    def turn(item: pytest.Item) -> int:
        names = (group(item.path), *item.path.parts)
        return next((number for number, name in enumerate(FIRST) if name in names), len(FIRST))

    items.sort(key=turn)


class Groups(LoadFileScheduling):
    """Keeps each group on one worker, for its fixtures, and because the machine can run only one such test."""

    def _split_scope(self, nodeid: str) -> str:
        return group(ROOT / nodeid.partition("::")[0])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    return Groups(config, log)


@pytest.fixture(scope="session")
def kill_rounds(request: pytest.FixtureRequest) -> int:
    """How many processes the kill test on Ray kills; the test on one process kills a quarter as many of each kind."""
    return int(request.config.getoption("--kill-rounds"))
