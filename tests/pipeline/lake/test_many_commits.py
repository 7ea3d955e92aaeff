"""Catches commits that get slower as a lake grows, because every commit leaves its fragments behind."""

from pathlib import Path

from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.lake.upkeep.compaction import MANY_FRAGMENTS
from pipeline.lake.writing.committer import Committer
from schemas.tables import TABLE_NAMES
from tests.pipeline.lake.synthetic import PLAN, SPACE, World, fold_shots


def test_small_fragments_are_joined_while_a_long_ingest_goes_on(tmp_path: Path) -> None:
    lake = Lake.create_or_open(str(tmp_path / "lake"), SPACE)
    committer = Committer(lake, plan_hash=PLAN, fold_shots=fold_shots)
    for number in range(MANY_FRAGMENTS + 5):
        world = World(number, length=5, regions=1)
        committer.register(world.source)
        assert committer.commit([world.rows(world.segments()[0])]) == 1
    assert all(len(lake.table(name).to_lance().get_fragments()) <= 8 for name in TABLE_NAMES)
    committer.close()
    assert check(lake).problems == ()
    assert lake.count("sources") == lake.count("regions") == MANY_FRAGMENTS + 5
