"""Catches commits that become slower, or a writer that needs more memory, with every earlier commit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lance
import lancedb
import pytest

from pipeline.lake import lake as lake_module
from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.lake.upkeep.compaction import MANY_FRAGMENTS
from pipeline.lake.writing.committer import Committer
from schemas.tables import TABLE_NAMES
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots, stored


def test_small_fragments_are_joined_while_a_long_ingest_goes_on(tmp_path: Path) -> None:
    lake = Lake.create_or_open(str(tmp_path / "lake"), SPACE)
    committer = Committer(lake, plan=stored(), fold_shots=fold_shots)
    for number in range(MANY_FRAGMENTS + 5):
        world = World(number, length=5, regions=1)
        committer.register(world.source)
        assert committer.commit([world.rows(world.segments()[0])]) == 1
    assert all(len(lake.table(name).to_lance().get_fragments()) <= 8 for name in TABLE_NAMES)
    committer.close()
    assert check(lake).problems == ()
    assert lake.count("sources") == lake.count("regions") == MANY_FRAGMENTS + 5


def test_what_a_lake_keeps_of_versions_that_are_gone_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_by: list[Callable[[], int]] = []
    connect, new_session = lancedb.connect, lance.Session  # type: ignore[attr-defined]

    def connect_seen(uri: str, *, session: lancedb.Session) -> lancedb.DBConnection:
        held_by.append(lambda: session.size_bytes)
        return connect(uri, session=session)

    def session_seen(**sizes: int) -> Any:
        session: Any = new_session(**sizes)  # type: ignore[arg-type]
        held_by.append(session.size_bytes)
        return session

    monkeypatch.setattr(lancedb, "connect", connect_seen)
    monkeypatch.setattr(lance, "Session", session_seen)
    monkeypatch.setattr(lake_module, "CACHE_BYTES", 2**18)  # instead of hundreds of commits
    lake = Lake.create_or_open(str(tmp_path / "lake"), SPACE)
    held = []
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as committer:
        world = World(0, length=20, step=1, regions=1)
        for segment in world.segments(20):
            committer.commit([world.rows(segment)])
            held.append(max(bytes_held() for bytes_held in held_by))
    assert max(held) > 2**17  # it was filled
    assert max(held) < 2**18 * 1.5
