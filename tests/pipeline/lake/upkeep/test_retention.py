"""Retention: catches recordings removed too early, not at all or in part, and pinned shots that are removed."""

import random
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.lake.audit.check import check
from pipeline.lake.audit.compare import compare
from pipeline.lake.checksums import SegmentChecksum
from pipeline.lake.lake import Lake
from pipeline.lake.upkeep import retention
from pipeline.lake.upkeep.config import UpkeepConfig
from pipeline.lake.upkeep.pins import Pins
from pipeline.lake.upkeep.retention import expired
from pipeline.lake.upkeep.upkeep import Upkeep
from pipeline.lake.writing.committer import Committer
from pipeline.lake.writing.ledger_rows import joined_rows, trimmed_rows
from pipeline.search.searcher import Searcher
from schemas.clock import Span
from schemas.errors import LakeError
from schemas.query import Query
from schemas.tables import TABLE_NAMES
from tests.pipeline.lake.conftest import OpenWriter
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots, stored
from tests.pipeline.lake.upkeep.feeds import DAY, Recording
from tests.simulation import SimulatedTime

NOON = DAY + timedelta(hours=12)
OLD, PINNED, NEW = Recording(0, hour=1), Recording(1, hour=2), Recording(2, hour=11)
TWO_HOURS = UpkeepConfig(max_age=timedelta(hours=2), many_fragments=4, join_after_s=0, remove_share=1)


def noon() -> SimulatedTime:
    return SimulatedTime(NOON)


def rows_of(lake: Lake, source_id: str) -> dict[str, int]:
    where = f"source_id = '{source_id}'"
    return {name: lake.count(name, where=where) for name in TABLE_NAMES if name not in ("sources", "plans")}


def pin(lake: Lake, recording: Recording, span: Span | None) -> str:
    return Pins(lake).add([(recording.source.id, recording.source.uri, span)])[0].id


def record_all(writer: Committer) -> None:
    for recording in (OLD, PINNED, NEW):
        recording.record(writer, lost=(4,) if recording is PINNED else ())


def found(name: str, ended_h: float, size: int, *, feed: str = "gate", state: str = "complete") -> retention.Recording:
    ended = DAY + timedelta(hours=ended_h)
    return retention.Recording(name, f"{feed}#{ended_h}", feed, ended, ended, size, state)


def names(recordings: list[retention.Recording]) -> list[str]:
    return [recording.id for recording in recordings]


def test_age_counts_from_the_end_of_a_recording() -> None:
    held = [found("b", 9.9, 1), found("a", 5, 1), found("c", 10.1, 1), found("open", 1, 1, state="open")]
    assert names(expired(held, UpkeepConfig(max_age=timedelta(hours=2)), now=NOON)) == ["open", "a", "b"]
    assert expired(held, UpkeepConfig(), now=NOON) == []


def test_of_each_feed_the_oldest_go_until_the_rest_fits_and_the_newest_stays() -> None:
    held = [found(f"g{n}", n, 40) for n in range(4)] + [found(f"y{n}", n, 40, feed="yard") for n in range(2)]
    held.append(found("file", 0, 1000, feed="/videos/a.mp4"))
    assert names(expired(held, UpkeepConfig(max_bytes_per_feed=100), now=NOON)) == ["g0", "g1"]
    assert names(expired(held, UpkeepConfig(max_bytes_per_feed=1), now=NOON)) == ["g0", "y0", "g1", "g2"]


def test_feeds_whose_addresses_differ_behind_a_hash_sign_share_no_limit(lake: Lake, open_writer: OpenWriter) -> None:
    with open_writer() as writer:
        for number in range(2):
            Recording(number, feed=f"rtsp://recorder/#{number + 1}", hour=number + 1).record(writer)
        assert Upkeep(writer, UpkeepConfig(max_bytes_per_feed=1), time=noon()).run_pass().removed == 0
    assert {r.feed for r in retention.recordings_of(lake)} == {"rtsp://recorder/#1", "rtsp://recorder/#2"}


def test_an_old_recording_goes_from_every_table_and_is_found_no_more(lake: Lake, open_writer: OpenWriter) -> None:
    with open_writer() as writer:
        record_all(writer)
        searcher = Searcher(lake)
        assert {hit.source_id for hit in searcher.search(Query(box=(0, 0, 1, 1), k=100)).hits} >= {OLD.source.id}
        report = Upkeep(writer, TWO_HOURS, time=noon()).run_pass()
        assert (report.removed, report.trimmed, report.errors) == (2, 0, ())
        assert report.removed_bytes > 0
        assert {hit.source_id for hit in searcher.search(Query(box=(0, 0, 1, 1), k=100)).hits} == {NEW.source.id}
        searcher.close()
        assert Upkeep(writer, TWO_HOURS, time=noon()).run_pass().removed == 0
    assert lake.read("sources")["id"].to_pylist() == [NEW.source.id]
    assert set(rows_of(lake, OLD.source.id).values()) == {0}
    assert check(lake).problems == ()


def test_a_file_is_as_old_as_its_ingest(open_writer: OpenWriter) -> None:
    filmed_long_ago = World(0, timed=True)
    with open_writer() as writer:
        writer.commit([filmed_long_ago.rows(filmed_long_ago.segments()[0])])
        limits = UpkeepConfig(max_age=timedelta(hours=1), remove_share=1)
        assert Upkeep(writer, limits).run_pass().removed == 0
        later = datetime.now(NOON.tzinfo) + timedelta(hours=2)
        assert Upkeep(writer, limits, time=SimulatedTime(later)).run_pass().removed == 1
        assert writer.register(filmed_long_ago.source) == [filmed_long_ago.source.span]  # it can be ingested again


def test_an_open_recording_is_not_old_because_its_rows_were_written_while_the_clock_was_behind(lake: Lake) -> None:
    time = noon()
    first, second, *_ = Recording(3, hour=12).segments(4)
    with Committer(lake, plan=stored(), fold_shots=fold_shots, time=time) as writer:
        NEW.record(writer)
        time.set_clock(timedelta(days=-4000))  # and back again before upkeep looks
        writer.commit([Recording(3, hour=12).rows_at(first)])
        time.set_clock(timedelta(days=4000))
        Upkeep(writer, TWO_HOURS, time=time).run_pass()
        writer.commit([Recording(3, hour=12).rows_at(second)])
    assert Recording(3, hour=12).source.id in lake.read("sources")["id"].to_pylist()


def test_of_a_pinned_recording_the_pinned_shots_stay_whole(lake: Lake, open_writer: OpenWriter) -> None:
    with open_writer() as writer:
        record_all(writer)
        before = lake.read("frames", where=f"source_id = '{PINNED.source.id}' AND pts >= 30 AND pts < 60")
        pin(lake, PINNED, Span(35, 36))  # shots begin at 0, 30, 60 and 90
        report = Upkeep(writer, TWO_HOURS, time=noon()).run_pass()
        assert (report.removed, report.trimmed, report.errors) == (1, 1, ())
        assert check(lake).problems == ()
        again = Upkeep(writer, TWO_HOURS, time=noon()).run_pass()
        assert (again.removed, again.trimmed) == (0, 0)
        # the removed spans count as done, and are not requested again
        assert writer.done_spans(PINNED.source.id) == [Span(0, 30), Span(30, 40), Span(50, 60), Span(60, 100)]
    kept = lake.read("frames", where=f"source_id = '{PINNED.source.id}'").sort_by("pts")
    assert kept.equals(before.sort_by("pts"))  # thumbnails too
    assert kept["pts"].to_pylist() == [30, 35, 50, 55]
    assert rows_of(lake, PINNED.source.id) == {"segments": 5, "shots": 1, "frames": 4, "regions": 24, "patches": 4}
    hits = Searcher(lake).search(Query(box=(0, 0, 1, 1), k=100)).hits
    assert {hit.pts for hit in hits if hit.source_id == PINNED.source.id} == {30, 35, 50, 55}
    with open_writer() as writer:
        assert check(lake).problems == ()
        Pins(lake).remove([p.id for p in Pins(lake).read()])
        assert Upkeep(writer, TWO_HOURS, time=noon()).run_pass().removed == 1
    assert lake.read("sources")["id"].to_pylist() == [NEW.source.id]
    assert check(lake).problems == ()


def test_a_recording_that_is_pinned_as_a_whole_stays_as_it_is(lake: Lake, open_writer: OpenWriter) -> None:
    with open_writer() as writer:
        record_all(writer)
        before = rows_of(lake, PINNED.source.id)
        pin(lake, PINNED, None)
        assert Upkeep(writer, UpkeepConfig(max_age=timedelta(hours=2)), time=noon()).run_pass().removed == 1
    assert rows_of(lake, PINNED.source.id) == before


def test_pins_are_seen_by_all_and_refused_where_nothing_is_left(lake: Lake, open_writer: OpenWriter) -> None:
    with open_writer() as writer:  # pinning needs no lock
        record_all(writer)
        first = pin(lake, PINNED, Span(35, 36))
        assert pin(lake, PINNED, Span(35, 36)) == first
        assert [(p.id, p.span) for p in Pins(Lake.open(lake.uri)).read()] == [(first, Span(35, 36))]
        Upkeep(writer, TWO_HOURS, time=noon()).run_pass()
        with pytest.raises(LakeError, match="before it was pinned"):
            pin(lake, OLD, None)
        with pytest.raises(LakeError, match="before it was pinned"):
            pin(lake, PINNED, Span(70, 71))
    assert len(Pins(lake).read()) == 1
    assert Pins(lake).remove([first, "another"]) == 1
    assert Pins(lake).read() == ()


class TornError(Exception):
    """Stands for a process that is gone from one change of a table to the next."""


def tear(writer: Committer, monkeypatch: pytest.MonkeyPatch, *, at: int) -> None:
    """From here on the `at`-th change that the writer makes of a table does not happen, nor do any later ones."""
    done = 0

    def stop(change: Callable[..., None]) -> Callable[..., None]:
        def wrapped(*args: object, **options: object) -> None:
            nonlocal done
            done += 1
            if done > at:
                raise TornError
            change(*args, **options)

        return wrapped

    for name in ("append", "upsert", "delete", "delete_where", "update", "replace"):
        monkeypatch.setattr(writer._state.tables, name, stop(getattr(writer._state.tables, name)))


def test_a_pass_that_is_killed_at_any_change_is_ended_by_the_next_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = UpkeepConfig(max_age=timedelta(hours=2), join_after_s=0, remove_share=1)
    clean = Lake.create_or_open(str(tmp_path / "clean"), SPACE)
    with Committer(clean, plan=stored(), fold_shots=fold_shots) as writer:
        for recording in (OLD, PINNED, NEW):
            recording.record(writer, pieces=4)
        pin(clean, PINNED, Span(35, 36))
        shutil.copytree(clean.uri, tmp_path / "prepared")
        assert Upkeep(writer, limits, time=noon()).run_pass().errors == ()
    torn, at = True, 0
    while torn:
        lake = Lake.open(shutil.copytree(tmp_path / "prepared", str(tmp_path / str(at))))
        writer = Committer(lake, plan=stored(), fold_shots=fold_shots)
        with monkeypatch.context() as patch:
            tear(writer, patch, at=at)
            torn = any("TornError" in error for error in Upkeep(writer, limits, time=noon()).run_pass().errors)
        writer.close()
        # whatever plan the next writer has, opening alone makes the lake sound
        with Committer(lake, plan=stored("another"), fold_shots=fold_shots) as writer:
            assert check(lake).problems == (), at
            Upkeep(writer, limits, time=noon()).run_pass()
        assert compare(lake, clean) == ()
        at += 1
    assert at > 12  # else the pass made fewer changes than it has kinds of them


def row(start: int, stop: int, state: str = "done", **values: object) -> dict[str, object]:
    counts = dict.fromkeys(("frames_decoded", "near_duplicates", "shed", "lost", "keyframes", "regions"), stop - start)
    ends = {"first_pts": start, "last_pts": stop - 1} if state == "done" else {"first_pts": None, "last_pts": None}
    return {
        "id": f"{start}",
        "source_id": "s",
        "source": "gate",
        "plan": "p",
        "start": start,
        "stop": stop,
        "state": state,
        "error": None if state == "done" else "gone",
        "cut_events": [{"pts": start, "previous_pts": start - 1, "kind": "cut"}],
        "committed_at": NOON,
        "lease": 1,
        **counts,
        **ends,
        "checksum": str(ticks(Span(start, stop))),
        **values,
    }


def ticks(span: Span) -> SegmentChecksum:
    """The checksum of a span with a row for each tick."""
    return SegmentChecksum(frames=span.stop - span.start)


@given(
    edges=st.lists(st.integers(1, 99), unique=True).map(sorted),
    failed=st.sets(st.integers(0, 20)),
    kept=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4)), max_size=3),
)
def test_cutting_the_ledger_keeps_its_span_its_sums_and_what_is_pinned(
    edges: list[int], failed: set[int], kept: list[tuple[int, int]]
) -> None:
    ends = [0, *edges, 100]
    rows = [row(a, b, "failed" if n in failed else "done") for n, (a, b) in enumerate(pairwise(ends))]
    spans = sorted({Span(10 * a, min(100, 10 * (a + n))) for a, n in kept})
    spans = [span for n, span in enumerate(spans) if not n or span.start >= max(s.stop for s in spans[:n])]
    cut = trimmed_rows(rows, spans, count=lambda span: (span.stop - span.start, 0), checksum=ticks)
    cut = sorted(cut, key=lambda r: r["start"])
    assert [r["start"] for r in cut] == [0, *(r["stop"] for r in cut[:-1])]
    assert cut[-1]["stop"] == 100
    for name in ("frames_decoded", "lost"):
        assert sum(r[name] for r in cut) == 100
    going = Span(0, 100).minus(spans)
    assert [Span(r["start"], r["stop"]) for r in cut if r["state"] == "removing"] == going
    for r in cut:
        assert (r["state"] == "removing") == (Span(r["start"], r["stop"]) in going)
        if r["state"] == "done":
            assert r["keyframes"] == r["stop"] - r["start"]
            assert r["first_pts"] >= r["start"]
            assert r["last_pts"] < r["stop"]
            assert r["checksum"] == str(ticks(Span(r["start"], r["stop"])))


def test_a_part_in_which_nothing_was_decoded_says_so() -> None:
    late = row(0, 100, first_pts=60, last_pts=90)
    cut = trimmed_rows([late], [Span(0, 50), Span(80, 100)], count=lambda _: (0, 0), checksum=ticks)
    assert [(r["start"], r["first_pts"], r["last_pts"]) for r in sorted(cut, key=lambda r: r["start"])] == [
        (0, None, None),
        (50, None, None),
        (80, 80, 90),
    ]


@given(edges=st.lists(st.integers(1, 99), unique=True).map(sorted), order=st.randoms())
def test_joining_the_ledger_ignores_its_order_and_keeps_its_sums(edges: list[int], order: random.Random) -> None:
    ends = [0, *edges, 100]
    rows = [row(a, b) for a, b in pairwise(ends)]
    events = [event for one in rows for event in one["cut_events"]]  # type: ignore[attr-defined]
    order.shuffle(rows)
    (joined,) = joined_rows(rows)
    assert (joined["start"], joined["stop"], joined["first_pts"], joined["last_pts"]) == (0, 100, 0, 99)
    assert joined["keyframes"] == joined["frames_decoded"] == 100
    assert joined["cut_events"] == events


def test_rows_of_the_ledger_of_two_leases_are_not_joined() -> None:
    rows = [row(0, 10, lease=1), row(10, 20, lease=1), row(20, 30, lease=2), row(30, 40, lease=2)]
    joined = joined_rows(rows)
    assert [(each["start"], each["stop"], each["lease"]) for each in joined] == [(0, 20, 1), (20, 40, 2)]
