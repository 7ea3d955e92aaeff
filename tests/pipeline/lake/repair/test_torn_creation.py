"""Catches a lake, or the first pin, that a power cut stopped while it was made, and that nobody can write any more."""

from pathlib import Path

import pytest

from pipeline.lake.durability import NOTE
from pipeline.lake.lake import Lake
from pipeline.lake.repair.damage import versions_of
from pipeline.lake.upkeep.pins import Pins
from pipeline.lake.writing.committer import Committer
from schemas.errors import LakeError
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots, stored


def empty_manifests(table: Path) -> None:
    for path in (table / "_versions").glob("*.manifest"):
        path.write_bytes(b"")


def commit(lake: Lake) -> None:
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
        writer.commit([World(0).rows(segment) for segment in World(0).segments()])


def test_a_lake_whose_creation_was_torn_is_made_by_the_next_writer(tmp_path: Path) -> None:
    Lake.create_or_open(str(tmp_path), SPACE)
    for name in ("sources", "patches"):
        empty_manifests(tmp_path / f"{name}.lance")
    commit(Lake.create_or_open(str(tmp_path), SPACE))
    assert Lake.open(str(tmp_path)).count("sources") == 1


def test_a_torn_table_of_a_lake_with_rows_is_left_to_repair(tmp_path: Path) -> None:
    commit(Lake.create_or_open(str(tmp_path), SPACE))
    assert versions_of(tmp_path / "patches.lance")[-1] == 1
    empty_manifests(tmp_path / "patches.lance")
    with pytest.raises(LakeError, match="regionlake repair"):
        Lake.create_or_open(str(tmp_path), SPACE)


def test_a_first_pin_that_was_torn_is_taken_back(tmp_path: Path) -> None:
    lake = Lake.create_or_open(str(tmp_path), SPACE)
    commit(lake)
    Pins(lake).add([(World(0).source.id, World(0).source.uri, None)])
    assert versions_of(tmp_path / "pins.lance") == [2, 1]
    (tmp_path / NOTE).unlink()  # the power goes before the pin is noted and reported
    empty_manifests(tmp_path / "pins.lance")
    assert Pins(Lake.create_or_open(str(tmp_path), SPACE)).read() == ()
