"""Tracks in the lake: catches tracks that depend on segments, that a kill loses or doubles, or that continue past a
cut."""

from functools import partial
from pathlib import Path

import pytest

from operators.tracking.tracker import TrackConfig, Tracker
from pipeline.lake.audit.check import check
from pipeline.lake.audit.compare import compare
from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.lake.writing.table_writer import TableWriter
from schemas.errors import LakeError
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots, stored

WORLD = World(0)
NEW = partial(
    Tracker, TrackConfig(gate_cosine=-1.0, gate_sides=50.0, most_gate_sides=50.0, gate_shape=1e6, most_cost=1.0)
)


@pytest.fixture
def other(tmp_path: Path) -> Lake:
    return Lake.create_or_open(str(tmp_path / "other"), SPACE)


def fill(lake: Lake, pieces: int, *, backwards: bool = False) -> Lake:
    with Committer(lake, plan=stored(), fold_shots=fold_shots, new_tracker=NEW) as writer:
        segments = WORLD.segments(pieces)
        for segment in reversed(segments) if backwards else segments:
            writer.commit([WORLD.rows(segment)])
    return lake


def tracks(lake: Lake) -> dict[str, str | None]:
    rows = lake.read("regions", columns=["id", "track"])
    return dict(zip(rows["id"].to_pylist(), rows["track"].to_pylist(), strict=True))


def test_tracks_do_not_depend_on_segments_nor_on_their_order(lake: Lake, other: Lake) -> None:
    whole, cut = fill(lake, 1), fill(other, 5, backwards=True)
    found = tracks(whole)
    assert len(set(found.values())) < len(found) / 2, "some tracks continue"
    assert compare(whole, cut) == ()
    assert check(cut).problems == ()


def test_a_source_that_is_not_complete_has_no_tracks_yet(lake: Lake) -> None:
    with Committer(lake, plan=stored(), fold_shots=fold_shots, new_tracker=NEW) as writer:
        first, second = WORLD.segments(2)
        writer.commit([WORLD.rows(first)])
        assert set(tracks(lake).values()) == {None}
        writer.commit([WORLD.rows(second)])
    rows = lake.read("regions", columns=["proposer", "track"]).to_pylist()
    assert {row["proposer"].startswith("grid") for row in rows if row["track"] is None} == {True}


def test_no_track_goes_on_past_a_cut(lake: Lake) -> None:
    fill(lake, 2)
    starts = sorted(lake.read("shots", columns=["start"])["start"].to_pylist())
    rows = lake.read("regions", columns=["pts", "track"]).to_pylist()
    shots: dict[str, set[int]] = {}
    for row in rows:
        if row["track"] is not None:
            shots.setdefault(row["track"], set()).add(sum(start <= row["pts"] for start in starts))
    assert len(starts) > 1
    assert all(len(held) == 1 for held in shots.values())


def test_a_kill_before_the_source_is_complete_is_made_good_by_the_next_opening(
    lake: Lake, other: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = fill(other, 2)
    written = TableWriter.upsert

    def refuse(self: TableWriter, name: str, rows: object) -> None:
        if name == "sources" and "complete" in rows["state"].to_pylist():  # type: ignore[index]
            raise LakeError("the disk is full")
        written(self, name, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(TableWriter, "upsert", refuse)
    with pytest.raises(LakeError, match="the disk is full"):
        fill(lake, 2)
    monkeypatch.undo()
    fill(lake, 2)
    assert compare(lake, undisturbed) == ()
