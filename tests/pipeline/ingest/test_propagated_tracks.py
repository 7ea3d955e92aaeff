"""Whole runs with a segmenter that carries masks from keyframe to keyframe: catches links that the plan does not
enable, that depend on segments, on the engine or on a worker that died, or that continue past a cut, and models that
are refused too late.

Weights are random, so the tests say nothing about how well masks are carried;
tests/operators/tracking/test_propagation.py compares that with `transformers`.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from operators.encoders.region_vectors import RegionVectorsConfig
from operators.masks.rle import encode_masks
from operators.proposals.config import ProposalConfig
from operators.proposals.refine import RefineConfig
from operators.tracking.config import PropagationConfig, TrackConfig
from operators.tracking.links import Link, MaskedFrame
from operators.tracking.propagation import MaskPropagation
from operators.tracking.tracker import Tracker
from pipeline.ingest.run import ingest, open_committer
from pipeline.lab.evaluation.tracks import evaluate_tracks
from pipeline.lake.audit.check import check
from pipeline.lake.audit.compare import compare
from pipeline.lake.lake import Lake
from pipeline.lake.writing.table_writer import TableWriter
from pipeline.lake.writing.tracks import write_tracks
from pipeline.plan.plan import Plan, RunConfig
from schemas.clock import Span
from schemas.errors import LakeError, ModelError, WorkerDiedError
from schemas.shots import Shot
from schemas.tables import TableName
from tests.integration.clips import make_clip
from tests.segmenters import SIDE_PX, Segmenters


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", seed=2, seconds=3.0)


@pytest.fixture(scope="module")
def plan(segmenters: Segmenters) -> Plan:
    return Plan(
        proposals=ProposalConfig(use=("segments",), refine=RefineConfig(limit=8)),
        regions=RegionVectorsConfig(mode="pool"),
        # a link of random weights is worth little, and so it is made to weigh more
        tracks=TrackConfig(link=50.0, propagation=PropagationConfig(str(segmenters("sam2_video")), least_iou=0.001)),
    )


@pytest.fixture(scope="module")
def whole(clip: Path, plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = str(tmp_path_factory.mktemp("lakes") / "whole")
    assert ingest([str(clip)], lake, plan).ok
    return Lake.open(lake)


def tracks(lake: Lake) -> dict[str, str | None]:
    rows = lake.read("regions", columns=["id", "track"])
    return dict(zip(rows["id"].to_pylist(), rows["track"].to_pylist(), strict=True))


class Recorded:
    """A linker that notes what it is asked and what it answers. dies_at: numbers of questions at which it dies."""

    def __init__(self, linker: MaskPropagation, *, dies_at: Sequence[int] = ()) -> None:
        self.linker, self.dies_at = linker, dies_at
        self.asked = self.cuts = 0
        self.links: list[Link] = []

    def __call__(self, frame: MaskedFrame) -> list[Link]:
        self.asked += 1
        if self.asked in self.dies_at:
            self.linker.cut()
            raise WorkerDiedError("it was killed")
        links = self.linker(frame)
        self.links += links
        return links

    def cut(self) -> None:
        self.cuts += 1
        self.linker.cut()

    def close(self) -> None:
        self.linker.close()


def written_again(lake: Lake, plan: Plan, linker: Recorded) -> dict[str, str | None]:
    """The tracks that are there after they were written once more."""
    rows = lake.read("shots", columns=["source_id", "start", "stop"]).sort_by("start").to_pylist()
    shots = {rows[0]["source_id"]: [Shot(Span(row["start"], row["stop"]), "cut") for row in rows]}
    write_tracks(lake, shots, partial(Tracker, plan.tracks), linker=linker)
    return tracks(lake)


def test_tracks_follow_links_and_end_at_cuts(whole: Lake, plan: Plan, clip: Path, tmp_path: Path) -> None:
    recorded = Recorded(MaskPropagation(plan.tracks.propagation))
    found = written_again(whole, plan, recorded)
    assert whole.count("shots") == recorded.cuts == 2
    assert recorded.asked == whole.count("frames")
    followed = [found[link.start] == found[link.stop] for link in recorded.links]
    assert len(followed) >= 8
    assert all(followed)
    plain = replace(plan, tracks=replace(plan.tracks, propagation=PropagationConfig()))
    assert ingest([str(clip)], str(tmp_path / "plain"), plain).ok
    assert tracks(Lake.open(str(tmp_path / "plain"))) != found
    assert check(whole).problems == ()


def test_the_evaluation_shows_the_same_regions_with_links_and_without(
    whole: Lake, plan: Plan, clip: Path, tmp_path: Path
) -> None:
    (tmp_path / clip.name).write_bytes(clip.read_bytes())
    (tmp_path / "gt.txt").write_text("\n".join(f"{n},1,0,0,160,240,1,1,1" for n in range(1, 37)))
    found = evaluate_tracks(tmp_path, plan, lake=Path(whole.uri))  # which holds the clip already
    both = "position and appearance"
    assert list(found) == [f"{both}, carried masks", both, "position alone", "appearance alone"]
    assert {score.keyframes for score in found.values()} == {whole.count("frames")}


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_ray_gives_the_tracks_of_local(whole: Lake, plan: Plan, clip: Path, tmp_path: Path) -> None:
    assert ingest([str(clip)], str(tmp_path / "ray"), plan, engine="ray").ok
    assert compare(whole, Lake.open(str(tmp_path / "ray"))) == ()


def test_a_source_is_begun_anew_where_the_linker_dies(whole: Lake, plan: Plan) -> None:
    before = tracks(whole)
    model = MaskPropagation(plan.tracks.propagation)
    assert written_again(whole, plan, Recorded(model, dies_at=(3, 5))) == before
    with pytest.raises(WorkerDiedError, match="it was killed"):
        written_again(whole, plan, Recorded(model, dies_at=(2, 4, 6)))
    assert tracks(whole) == before


def test_many_segments_and_a_kill_before_the_last_is_done_give_the_tracks_of_one(
    whole: Lake, plan: Plan, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = TableWriter.upsert

    def refuse(self: TableWriter, name: TableName, rows: pa.Table) -> None:
        if name == "sources" and "complete" in rows["state"].to_pylist():
            raise LakeError("the disk is full")
        written(self, name, rows)

    cut = replace(plan, run=RunConfig(segment_s=1.0))
    monkeypatch.setattr(TableWriter, "upsert", refuse)
    with pytest.raises(LakeError, match="the disk is full"):
        ingest([str(clip)], str(tmp_path / "lake"), cut)
    monkeypatch.undo()
    open_committer(str(tmp_path / "lake"), cut).close()  # as the next run begins
    lake = Lake.open(str(tmp_path / "lake"))
    assert lake.count("segments") >= 2
    assert compare(whole, lake) == ()


def test_a_model_without_memory_is_refused_before_anything_is_made(
    plan: Plan, segmenters: Segmenters, tmp_path: Path
) -> None:
    plan = replace(plan, tracks=TrackConfig(propagation=PropagationConfig(str(segmenters("sam2")))))
    with pytest.raises(ModelError, match="has no memory to propagate masks with"):
        ingest(["nowhere.mp4"], str(tmp_path / "lake"), plan)
    assert not (tmp_path / "lake").exists()


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_an_actor_refuses_a_model_at_once_and_says_when_it_has_lost_what_it_followed(segmenters: Segmenters) -> None:
    import ray

    from pipeline.ingest.engines.ray_linker import ActorLinker

    masks = np.zeros((1, SIDE_PX, SIDE_PX), bool)
    masks[:, 8:40, 8:40] = True
    frames = [
        MaskedFrame(np.full((SIDE_PX, SIDE_PX, 3), 9 * i, np.uint8), (f"{i}",), tuple(encode_masks(masks)))
        for i in range(2)
    ]
    config = PropagationConfig(str(segmenters("sam2_video")), least_iou=0.001)
    with pytest.raises(ModelError, match="has no memory to propagate masks with"):
        ActorLinker(PropagationConfig(str(segmenters("sam2"))), cpus=0.25, gpus=0.0)
    linker = ActorLinker(config, cpus=0.25, gpus=0.0)
    assert linker(frames[0]) == []
    ray.kill(linker._actor, no_restart=False)
    with pytest.raises(WorkerDiedError):
        linker(frames[1])
    linker.cut()
    assert linker(frames[0]) == []
    alone = MaskPropagation(config)
    alone(frames[0])
    assert linker(frames[1]) == alone(frames[1]) != []
