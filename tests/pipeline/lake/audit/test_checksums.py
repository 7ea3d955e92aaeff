"""Checksums of rows: catches damage that is read without a word, and alarms where only the layout has changed."""

import random
import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.lake.audit.check import check
from pipeline.lake.checksums import WRITTEN_ONCE, SegmentChecksum, of_rows, row_checksums
from pipeline.lake.durability import files_of_version
from pipeline.lake.lake import Lake
from pipeline.lake.upkeep.compaction import compact
from pipeline.lake.writing.committer import Committer
from pipeline.lake.writing.upkeep_changes import Removal
from schemas.clock import Span
from schemas.errors import LakeError
from schemas.tables import TABLE_NAMES, TableName
from tests.pipeline.lake.synthetic import World, fold_shots, stored

WORLDS = [World(n, length=60, step=10, regions=4, timed=True) for n in range(3)]
ROWS = WORLDS[0].rows(WORLDS[0].segments()[0], patches=True)


def write(lake: Lake, *, pieces: int = 3) -> None:
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
        for world in WORLDS:
            for segment in world.segments(pieces):
                writer.commit([world.rows(segment, patches=True)])


def keep_second_half(writer: Committer, worlds: list[World]) -> None:
    kept = {world.source.id: [Span(30, 60)] for world in worlds}
    writer.upkeep.remove_unless_pinned([*kept], lambda: Removal(kept=kept))


@given(order=st.randoms(), at=st.integers(0, ROWS.regions.num_rows))
def test_a_checksum_ignores_the_order_and_the_division_of_rows(order: random.Random, at: int) -> None:
    numbers = list(range(ROWS.regions.num_rows))
    order.shuffle(numbers)
    regions = ROWS.regions.take(numbers)
    whole = of_rows(ROWS.frames, ROWS.regions, ROWS.patches)
    first = of_rows(ROWS.frames.slice(2), regions.slice(0, at), None)
    second = of_rows(ROWS.frames.slice(0, 2), regions.slice(at), ROWS.patches)
    assert first + second == whole
    assert whole - second == first
    assert SegmentChecksum.parse(f"{whole}-0000000000000000") == whole


@pytest.mark.parametrize("name", WRITTEN_ONCE)
def test_every_column_that_is_written_once_is_covered(name: TableName) -> None:
    rows = {"frames": ROWS.frames, "regions": ROWS.regions, "patches": ROWS.patches}[name]
    assert rows is not None
    later = {"track", "until", "lease"}
    assert {*WRITTEN_ONCE[name]} == {*rows.schema.names} - later
    before = row_checksums(rows, name)
    for column in rows.schema.names:
        at = rows.schema.get_field_index(column)
        field = rows.schema.field(at)
        changed = [*rows[column].to_pylist()]
        changed[1] = None if changed[1] is not None else _some(field.type)
        new = rows.set_column(at, field.with_nullable(True), pa.array(changed, field.type))
        expected = [] if column in later else [1]
        assert np.flatnonzero(row_checksums(new, name) != before).tolist() == expected, column


def _some(kind: pa.DataType) -> object:
    if pa.types.is_struct(kind):
        return {"size": [1, 2], "counts": b"x"}
    if pa.types.is_fixed_size_list(kind):
        return [_some(kind.value_type)] * kind.list_size
    if pa.types.is_list(kind):
        return [_some(kind.value_type)]
    return "a" if pa.types.is_string(kind) else 1


def test_a_lake_has_the_checksums_of_its_rows_whatever_upkeep_did(lake: Lake) -> None:
    write(lake)
    assert check(lake).problems == ()
    with Committer(lake, plan=None, fold_shots=fold_shots) as writer:
        keep_second_half(writer, WORLDS[:1])
        assert check(lake).problems == ()
        writer.upkeep.join_ledger([world.source.id for world in WORLDS])
        compact(lake, many=1, keep=timedelta(0))
    assert check(lake).problems == ()
    assert check(lake).unsummed == 0
    assert all(row["checksum"] for row in lake.read("segments").to_pylist())


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("frames", {"thumbnail": b"another"}),
        ("regions", {"score": 0.25}),
        ("patches", {"cols": 1}),
        ("segments", {"near_duplicates": 3}),
        ("sources", {"codec": "other"}),
        ("shots", {"kind": "fade"}),
        ("plans", {"toml": "synthetic = false"}),
        ("segments", {"state": "dome"}),
    ],
)
def test_a_changed_value_is_found(name: TableName, values: dict[str, object], lake: Lake) -> None:
    write(lake, pieces=1)
    column = "pts" if name in ("frames", "regions", "patches") else "id"
    first = lake.read(name, columns=[column])[column][0].as_py()
    lake.table(name).update(where=f"{column} = {first!r}", values=values)
    problems = check(lake).problems
    assert problems
    assert all(problem.startswith(f"{name}:") for problem in problems[:1])


def test_damage_in_a_part_that_is_kept_is_found_after_the_rest_was_removed(lake: Lake) -> None:
    write(lake, pieces=1)
    lake.table("regions").update(where="pts = 50", values={"score": 0.25})
    with Committer(lake, plan=None, fold_shots=fold_shots) as writer:
        keep_second_half(writer, WORLDS)
    assert len(check(lake).problems) == len(WORLDS)


def test_every_damaged_byte_is_found_or_harmless(lake: Lake, tmp_path: Path) -> None:
    """A byte is harmless if all rows are read as they were written, such as one of a file's padding."""
    write(lake)
    with Committer(lake, plan=None, fold_shots=fold_shots) as writer:
        writer.upkeep.remove_sources([WORLDS[1].source.id])
    good = _contents(lake)
    shutil.copytree(lake.uri, tmp_path / "hurt")
    chosen = random.Random(7)
    files = [path for name in TABLE_NAMES for path in files_of_version(Path(lake.uri), name, lake.dataset(name))]
    outcomes = []
    for _ in range(61):
        path = tmp_path / "hurt" / chosen.choice(files).relative_to(lake.uri)
        whole = path.read_bytes()
        damaged = bytearray(whole)
        damaged[chosen.randrange(len(whole))] ^= chosen.randrange(1, 256)
        path.write_bytes(damaged)
        outcomes.append(_outcome(str(tmp_path / "hurt"), good))
        path.write_bytes(whole)
    assert outcomes.count("found") > 10
    assert outcomes.count("silent") == 0


def _contents(lake: Lake) -> dict[str, pa.Table]:
    return {name: lake.dataset(name).to_table().sort_by("frame" if name == "patches" else "id") for name in TABLE_NAMES}


def _outcome(uri: str, good: dict[str, pa.Table]) -> str:
    try:
        hurt = Lake.open(uri)
        if check(hurt).problems:
            return "found"
    except LakeError:
        return "found"
    found = _contents(hurt)
    return "harmless" if all(found[name].equals(good[name]) for name in TABLE_NAMES) else "silent"
