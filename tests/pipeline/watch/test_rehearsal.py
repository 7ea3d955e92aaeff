"""Rehearsals: catches a watch that would have fired other times than it then does."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.search.searcher import Searcher
from pipeline.watch.hours import Hours
from pipeline.watch.rehearsal import rehearsed
from pipeline.watch.watch import Watch
from schemas.query import Query
from tests.pipeline.lake.synthetic import World, fold_shots, stored
from tests.pipeline.search.drawn import DrawnEncoder, add
from tests.pipeline.watch.watching import reported, watcher

NEAR = Watch("near", Query(text="red car", weight=0.7), max_distance=0.95)
CAM0 = "/videos/cam0/clip-0.mp4"


@pytest.mark.parametrize(
    "watch",
    [
        NEAR,
        replace(NEAR, cooldown_s=1.0),
        replace(NEAR, stay_s=0.5, cooldown_s=2.0),
        replace(NEAR, sources=(CAM0, "/videos/cam2/clip-2.mp4")),
        replace(NEAR, hours=Hours.parse("01:00-03:00 UTC")),
    ],
    ids=["each", "cooldown", "stay", "sources", "hours"],
)
def test_a_watch_fires_as_it_was_rehearsed(watch: Watch, lake: Lake, tmp_path: Path) -> None:
    with Committer(lake, plan=stored(), fold_shots=fold_shots, wait_s=1.0) as writer:
        for number in range(4):
            add(writer, World(number, length=60, timed=number != 3))
    searched = Searcher(lake, DrawnEncoder()).search(replace(watch.query, k=1000)).hits
    assert watch.max_distance is not None
    near = [hit for hit in searched if hit.distance <= watch.max_distance]
    would = {hit.frame_id for hit in rehearsed(watch, near)}
    watcher(lake, tmp_path, (watch,), since="start").look()
    assert {hit["frame_id"] for hit in reported(tmp_path)} == would
    assert 0 < len(would) <= len(near)
    if watch is not NEAR:
        assert len(would) < len(near), "nothing is held back, so that nothing is tested"
