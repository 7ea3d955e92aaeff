"""The writer's ledger: catches failed changes that are taken for complete, and threads that change a lake at once."""

import threading

import pytest

from pipeline.lake.lake import Lake
from pipeline.lake.lease.held_lake import HeldLake
from pipeline.lake.writing.ledger_state import LedgerIndex, LedgerState
from tests.pipeline.lake.conftest import OpenWriter
from tests.pipeline.lake.synthetic import World


def _nothing() -> None: ...


def test_an_error_within_a_change_has_the_next_look_read_the_lake_anew(lake: Lake, open_writer: OpenWriter) -> None:
    with open_writer() as writer:
        writer.register(World(0).source)
    state = LedgerState(lake, HeldLake(lake), finish=_nothing)
    with state.reading() as sources:
        assert list(sources) == [World(0).source.id]

    def lose_all() -> None:
        with state.change() as sources:
            sources.clear()
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        lose_all()
    assert not state.sound
    with state.reading() as sources:
        assert list(sources) == [World(0).source.id]
    assert state.sound


def test_a_change_within_a_change_ends_with_the_outer_one(lake: Lake) -> None:
    finished: list[bool] = []
    state = LedgerState(lake, HeldLake(lake), finish=lambda: finished.append(state.sound))

    def fail_after_a_part() -> None:
        with state.change():
            with state.change():
                pass
            assert not state.sound
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        fail_after_a_part()
    assert not state.sound
    with state.change():
        pass
    assert state.sound
    assert finished == [True, True]  # once for each recovery


def test_a_thread_waits_until_the_change_of_another_is_over(lake: Lake) -> None:
    state = LedgerState(lake, HeldLake(lake), finish=_nothing)
    seen: list[bool] = []

    def look() -> None:
        with state.reading():
            seen.append(state.sound)

    with state.change():
        thread = threading.Thread(target=look)
        thread.start()
        thread.join(0.05)
        assert not seen
    thread.join()
    assert seen == [True]


def test_a_commit_looks_through_no_list_of_all_sources(
    open_writer: OpenWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 200,000 sources each look took 58 ms, twice a commit."""
    worlds = [World(n, length=40) for n in range(3)]
    with open_writer() as writer:
        for world in worlds[:2]:
            writer.register(world.source)
        with monkeypatch.context() as patched:
            patched.setattr(LedgerIndex, "__iter__", lambda _: pytest.fail("all sources are looked through"))
            for world in worlds:
                assert writer.commit([world.rows(segment) for segment in world.segments(1)]) == 1


def test_what_has_no_row_yet_is_written_once(lake: Lake, open_writer: OpenWriter) -> None:
    with open_writer() as writer:
        for number in range(3):
            writer.register(World(number).source)
        writer.flush()
        assert lake.count("sources") == 3
        version = lake.version("sources")
        writer.flush()
        assert lake.version("sources") == version
        writer.register(World(1).source, replace=True)
        writer.flush()
        assert lake.count("sources") == 3
