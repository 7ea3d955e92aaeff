"""Fixtures of the lake: an empty one of small vectors, and a writer of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from tests.pipeline.lake.synthetic import PLAN, SPACE, fold_shots, stored

OpenWriter = Callable[..., Committer]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.create_or_open(str(tmp_path / "lake"), SPACE)


@pytest.fixture
def open_writer(lake: Lake) -> OpenWriter:
    """A committer of `lake`; refused at once when there is another."""

    def writer(plan: str = PLAN) -> Committer:
        return Committer(lake, plan=stored(plan), fold_shots=fold_shots, wait_s=0.2)

    return writer
