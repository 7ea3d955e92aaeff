"""The audit: catches damage that is not found or not named, and reports of damage where there is none."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.lake.audit.check import check
from pipeline.lake.audit.compare import compare
from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from schemas.tables import TableName
from tests.pipeline.lake.synthetic import PLAN, SPACE, World, fold_shots, stored

WORLD, OTHER = World(0), World(1)


def fill(lake: Lake, *worlds: World, pieces: int = 2) -> Lake:
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
        for world in worlds:
            writer.commit([world.rows(s, patches=True) for s in world.segments(pieces)])
    return lake


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return fill(Lake.create_or_open(str(tmp_path_factory.mktemp("filled") / "lake"), SPACE), WORLD, OTHER)


@pytest.fixture
def full(filled: Lake, tmp_path: Path) -> Lake:
    """A copy of that lake, which a test may damage."""
    return Lake.open(shutil.copytree(filled.uri, str(tmp_path / "full")))


def test_a_sound_lake_has_no_problems_and_its_rows_are_counted(full: Lake) -> None:
    report = check(full)
    assert report.ok
    assert report.problems == ()
    counted = {"sources": 2, "segments": 4, "shots": 8, "frames": 40, "regions": 240, "patches": 40, "plans": 1}
    assert report.rows == counted


def test_an_empty_lake_is_sound(lake: Lake) -> None:
    assert check(lake).problems == ()


def doubled(name: TableName) -> Callable[[Lake], None]:
    return lambda lake: lake.table(name).add(lake.read(name).slice(0, 1))


def updated(name: TableName, where: str, **values: object) -> Callable[[Lake], None]:
    return lambda lake: lake.table(name).update(where=where, values=values)


def deleted(name: TableName, where: str) -> Callable[[Lake], None]:
    return lambda lake: lake.table(name).delete(where)


def with_vector(fill_value: float) -> Callable[[Lake], None]:
    """Replaces the vector of one frame."""

    def change(lake: Lake) -> None:
        row = lake.read("frames", where="pts = 0").slice(0, 1)
        vector = pa.array([np.full(SPACE.dimension, fill_value, np.float16)], row.schema.field("vector").type)
        lake.table("frames").delete(f"id = '{row['id'][0].as_py()}'")
        lake.table("frames").add(
            row.set_column(row.schema.get_field_index("vector"), row.schema.field("vector"), vector)
        )

    return change


def with_patch(fill_value: float) -> Callable[[Lake], None]:
    """Replaces one of the two patch vectors of a frame."""

    def change(lake: Lake) -> None:
        row = lake.read("patches", where="pts = 0").slice(0, 1)
        vectors = row["vectors"].to_pylist()
        vectors[0][1] = [fill_value] * SPACE.dimension
        field = row.schema.field("vectors")
        lake.table("patches").delete(f"frame = '{row['frame'][0].as_py()}'")
        lake.table("patches").add(
            row.set_column(row.schema.get_field_index("vectors"), field, pa.array(vectors, field.type))
        )

    return change


def region_of(lake: Lake, world: World, pts: int) -> str:
    where = f"source_id = '{world.source.id}' AND pts = {pts}"
    return str(lake.read("regions", columns=["id"], where=where)["id"][0].as_py())


CLIP = WORLD.source.uri
HERE = f"source_id = '{WORLD.source.id}'"
FIRST = f"{HERE} AND start = 0"

DAMAGES = {
    "doubled frame": (doubled("frames"), r"frames: id \w+ of .* exists 2 times, expected once"),
    "doubled region": (doubled("regions"), r"regions: id \w+ of .* exists 2 times"),
    "doubled patches": (doubled("patches"), r"patches: frame \w+ of .* exists 2 times"),
    "doubled source": (doubled("sources"), r"sources: id \w+ of .* exists 2 times"),
    "lost source": (
        deleted("sources", f"id = '{WORLD.source.id}'"),
        "frames: 20 rows are of source .* not in `sources`",
    ),
    "lost frame": (deleted("frames", f"{HERE} AND pts = 5"), r"frames: \[0, 50\) of .* has 9 rows, expected 10"),
    "lost frame of regions": (
        deleted("frames", f"{HERE} AND pts = 5"),
        r"regions: rows of frame \w+ of .*, which is not in `frames`",
    ),
    "lost frame of patches": (
        deleted("frames", f"{HERE} AND pts = 5"),
        r"patches: rows of frame \w+ of .*, which is not in `frames`",
    ),
    "lost regions": (deleted("regions", f"{HERE} AND pts = 5"), r"regions: \[0, 50\) of .* has 54 rows, expected 60"),
    "rows outside": (
        updated("frames", f"{HERE} AND pts = 5", pts=900),
        "frames: 1 rows of .* lie in no done segment",
    ),
    "moved region": (updated("regions", f"{HERE} AND pts = 5", pts=10), r"regions: a row of frame \w+ has PTS 10"),
    "lost track": (
        updated("regions", f"{HERE} AND pts = 5", track="nowhere"),
        "regions: track nowhere of .* begins with no region",
    ),
    "track of another source": (
        lambda lake: updated("regions", f"{HERE} AND pts = 5", track=region_of(lake, OTHER, 0))(lake),
        "begins in another source, or later",
    ),
    "track that begins later": (
        lambda lake: updated("regions", f"{HERE} AND pts = 5", track=region_of(lake, WORLD, 90))(lake),
        "begins in another source, or later",
    ),
    "lost ledger": (deleted("segments", FIRST), "frames: 10 rows of .* lie in no done segment"),
    "complete, not covered": (deleted("segments", FIRST), r"is complete, but \[0, 50\) is not done"),
    "covered, still open": (updated("sources", f"source = '{CLIP}'", state="open"), "is done, but it is still open"),
    "overlap": (updated("segments", FIRST, stop=70), r"\[0, 70\) and \[50, 100\) of .* are both done and overlap"),
    "interrupted": (updated("segments", FIRST, state="writing"), r"segments: \[0, 50\) of .* is `writing`"),
    "mixed plans": (updated("segments", FIRST, plan="other"), f"has rows of plan other, expected {PLAN}"),
    "gap of shots": (deleted("shots", f"{HERE} AND start = 30"), r"shots: those of .* do not cover \[0, 100\)"),
    "no shots": (deleted("shots", HERE), r"shots: those of .* do not cover .* got \[\]"),
    "shots of an open source": (updated("sources", f"source = '{CLIP}'", state="open"), "shots: 4 of .* which is open"),
    "box outside": (
        updated("regions", f"{HERE} AND pts = 5", x1=1.5),
        r"regions: \w+ of .* has the box .* outside the frame",
    ),
    "vector not finite": (with_vector(float("inf")), r"frames: vector of \w+ of .* has length inf, expected 1"),
    "vector too long": (with_vector(1.0), r"frames: vector of \w+ of .* has length 4"),
    "patch vector zero": (with_patch(0.0), r"patches: vectors of \w+ of .* has length 0"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES.keys())
def test_every_damage_is_named_with_its_fix(damage: Callable[[Lake], None], message: str, full: Lake) -> None:
    damage(full)
    problems = check(full).problems
    assert any(re.search(message, problem) for problem in problems), problems
    assert all("regionlake ingest" in problem or problem.startswith("…") for problem in problems)


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES.keys())
def test_replacing_the_sources_that_are_named_mends_it(
    damage: Callable[[Lake], None], message: str, full: Lake
) -> None:
    del message
    damage(full)
    damaged = check(full).source_ids
    assert damaged == {WORLD.source.id}
    with Committer(full, plan=stored(), fold_shots=fold_shots) as writer:
        for world in (WORLD, OTHER):
            spans = writer.register(world.source, replace=True)
            for span in spans:
                writer.commit([world.rows(world.segment(span), patches=True)])
    assert check(full).problems == ()
    assert full.count("frames") == 40


def test_many_problems_of_a_kind_are_cut_short(full: Lake) -> None:
    full.table("regions").add(full.read("regions"))
    assert len(check(full).problems) < 30


@pytest.fixture
def twin(tmp_path: Path) -> Lake:
    """The rows of `full`, cut and committed otherwise."""
    return fill(Lake.create_or_open(str(tmp_path / "twin"), SPACE), OTHER, WORLD, pieces=3)


def test_equal_lakes_are_equal_however_they_were_cut(full: Lake, twin: Lake) -> None:
    assert compare(full, twin) == ()


CHANGES = {
    "lost row": (deleted("shots", f"{HERE} AND start = 0"), "shots: 1 of 8 rows are not in the second"),
    "doubled row": (doubled("frames"), "frames: 40 rows in the first, 41 in the second"),
    "another number": (
        updated("regions", f"{HERE} AND pts = 5", score=0.75),
        r"regions: score of id \w+: 0\.\d+ in the first, 0\.75",
    ),
    "another thumbnail": (
        updated("frames", f"{HERE} AND pts = 5", thumbnail=b"x"),
        "frames: thumbnail of id .*b'jpeg'",
    ),
    "another vector": (with_vector(0.25), "frames: vector of id"),
    "another patch": (with_patch(0.25), "patches: vectors of frame"),
    "another state": (updated("sources", f"source = '{CLIP}'", state="open"), "sources: state of id .*'complete'"),
    "another count": (
        updated("segments", FIRST, near_duplicates=3),
        "segments: near_duplicates of .*: 0 in the first, 3",
    ),
    "uncovered": (deleted("segments", FIRST), r"segments: spans of .*\(0, 100\)"),
    "another plan": (updated("segments", FIRST, plan="b"), "segments: plans of"),
}


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES.keys())
def test_every_difference_is_named(change: Callable[[Lake], None], message: str, full: Lake, twin: Lake) -> None:
    change(twin)
    differences = compare(full, twin)
    assert any(re.search(message, one) for one in differences), differences
    assert compare(twin, full)


def test_lakes_of_different_sources_are_told_apart(full: Lake, tmp_path: Path) -> None:
    other = fill(Lake.create_or_open(str(tmp_path / "other"), SPACE), WORLD)
    assert any(OTHER.source.uri in difference for difference in compare(full, other))
