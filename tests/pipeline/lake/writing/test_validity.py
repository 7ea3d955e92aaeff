"""How long a region is valid: catches values that depend on how a source was cut into segments."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.lake.writing.validity import valid_until
from pipeline.plan.plan_file import load_plan
from schemas.clock import Clock
from tests.pipeline.lake.conftest import OpenWriter
from tests.pipeline.lake.synthetic import World, fold_shots, stored

WORLD = World(1, length=2000, step=150, regions=2)  # ten ticks a second, so borders are 600 ticks apart


def until(lake: Lake) -> dict[int, int | None]:
    """The validity by the PTS of the keyframe."""
    rows = lake.read("regions", columns=["pts", "until"]).to_pylist()
    found = {(row["pts"], row["until"]) for row in rows}
    assert len(found) == len({pts for pts, _ in found})
    return dict(sorted(found))


@pytest.mark.parametrize("pieces", [1, 3, 7])
def test_a_region_is_valid_to_the_next_keyframe_or_the_next_border(
    pieces: int, lake: Lake, open_writer: OpenWriter
) -> None:
    with open_writer() as writer:
        for segment in reversed(WORLD.segments(pieces)):
            writer.commit([WORLD.rows(segment)])
    pts = list(range(0, 2000, 150))
    assert until(lake) == {p: min(p + 150, (p // 600 + 1) * 600, 2000) for p in pts}


def test_the_last_keyframe_of_a_segment_is_valid_to_its_end_until_the_source_is_complete(
    lake: Lake, open_writer: OpenWriter
) -> None:
    first, second = WORLD.segments(2)
    with open_writer() as writer:
        writer.commit([WORLD.rows(first)])
        assert until(lake)[900] == 1000
        writer.commit([WORLD.rows(second)])
    assert until(lake)[900] == 1050


def test_the_step_of_the_grid_is_a_setting_that_counts_unless_it_is_a_minute(lake: Lake) -> None:
    assert load_plan(overrides=["validity.grid_s=60"]).hash == load_plan().hash
    assert load_plan(overrides=["validity.grid_s=10"]).hash != load_plan().hash
    with Committer(lake, plan=stored(), fold_shots=fold_shots, grid_s=10.0) as writer:
        writer.commit([WORLD.rows(WORLD.segments()[0])])
    assert until(lake)[150] == 200


@given(
    pts=st.lists(st.integers(-(10**6), 10**12), min_size=1, unique=True).map(sorted),
    base=st.sampled_from([Fraction(1, 90000), Fraction(1001, 30000), Fraction(1, 10)]),
    grid_s=st.sampled_from([60.0, 0.1, 7.5]),
)
def test_a_validity_ends_after_its_keyframe_and_within_a_step(pts: list[int], base: Fraction, grid_s: float) -> None:
    source = replace(WORLD.source, clock=Clock(base, None))
    found = valid_until(pts, stop=pts[-1] + 1, source=source, grid_s=grid_s)
    for at, (begin, end) in enumerate(zip(pts, found.tolist(), strict=True)):
        assert begin < end
        assert end <= [*pts[1:], pts[-1] + 1][at]
        assert (end - begin) * base <= Fraction(grid_s) + base
