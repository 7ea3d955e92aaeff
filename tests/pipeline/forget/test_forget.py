"""Forgetting: catches rows, versions, thumbnails, batches, hits and pins that outlive it, and proofs of nothing.

Every test looks for the bytes itself, in all files below the lake.
"""

import json
import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.forget.places import places_to_forget
from pipeline.forget.run import Forgotten, earlier_places, forget
from pipeline.forget.traces import traces_in_files
from pipeline.forget.waiting_rows import waiting_sources
from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.lake.audit.check import check
from pipeline.lake.audit.compare import compare
from pipeline.lake.lake import Lake
from pipeline.lake.repair.tables import move_aside
from pipeline.lake.upkeep.indexes import refresh_index
from pipeline.lake.upkeep.pins import Pins
from pipeline.lake.writing.committer import Committer
from pipeline.lake.writing.table_writer import write_column
from pipeline.live.account.losses import Received, RecordingEnded
from pipeline.live.commits.batch import Batch, read_batch, write_batch
from pipeline.live.commits.in_flight import InFlight
from pipeline.live.status.state_folder import StateFolder
from pipeline.search.memory.lake_cache import LakeCache
from pipeline.search.memory.resident import KEPT
from pipeline.watch.standing_hit import StandingHit
from pipeline.watch.watch import Watch
from pipeline.watch.watch_state import WatchState
from schemas.clock import Span
from schemas.errors import LakeError, QueryError
from schemas.query import Query
from schemas.sources import Segment
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots, stored
from tests.pipeline.lake.upkeep.feeds import DAY, Recording
from tests.pipeline.lake.upkeep.test_pins_against_upkeep import CHANGES, KilledError

GATE, LATER = Recording(0, hour=1), Recording(1, hour=2)
YARD, WAITING = Recording(2, feed="yard", hour=1), Recording(3, feed="yard", hour=2)
FILE = World(7)
MIDDLE = Span(35, 62)  # cuts two shots, which begin at 0, 30, 60 and 90


def with_pictures(rows: SegmentRows) -> SegmentRows:
    """Thumbnails of random bytes, so that each can be found."""
    ids = rows.frames["id"].to_pylist()
    made = pa.array([random.Random(name).randbytes(300) for name in ids], pa.binary())
    place = rows.frames.schema.get_field_index("thumbnail")
    return replace(rows, frames=rows.frames.set_column(place, rows.frames.schema.field(place), made))


def named_tracks(lake: Lake, source_id: str) -> None:
    """Gives each track the id of its first region, as a tracker does."""
    where = f"source_id = '{source_id}'"
    rows = lake.dataset("regions").to_table(columns=["id", "pts"], filter=where, with_row_id=True)
    rows = rows.sort_by([("pts", "ascending"), ("id", "ascending")])
    first: dict[tuple[int, int], str] = {}
    tracks = []
    for number, (name, pts) in enumerate(zip(rows["id"].to_pylist(), rows["pts"].to_pylist(), strict=True)):
        tracks.append(first.setdefault((number % 6, pts // 30), name))
    write_column(lake, "track", rows["_rowid"].to_numpy(), pa.array(tracks))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of two feeds, a file, and what waits and is remembered beside them."""
    lake = Lake.create_or_open(str(tmp_path_factory.mktemp("forget") / "lake"), SPACE)
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
        for recording in (GATE, LATER, YARD):
            for segment in recording.segments(2):
                writer.commit([with_pictures(recording.rows_at(segment))])
            writer.end(recording.source)
            named_tracks(lake, recording.source.id)
        writer.commit([with_pictures(FILE.rows(each, patches=True)) for each in FILE.segments(2)[:1]])
    for name in ("frames", "regions", "patches"):
        refresh_index(lake, name, rows=1)
    Pins(lake).add([(LATER.source.id, LATER.source.uri, Span(0, 10))])
    LakeCache(lake, resident="disk").refresh()
    state = StateFolder.of(lake.uri)
    state.spool.mkdir(parents=True)
    rows = tuple(with_pictures(WAITING.rows_at(each)) for each in WAITING.segments(2))
    write_batch(state.spool / "000000000000.zip", Batch(rows=rows))
    write_batch(state.spool / "000000000001.zip", Batch(ended=(RecordingEnded(WAITING.source, "over"),)))
    flying = InFlight(state.in_flight)
    flying.report([Received(WAITING.source, 3, 100, 1), Received(GATE.source, 3, 100, 1)])
    flying.write()
    return Path(lake.uri)


@pytest.fixture
def lake(prepared: Path, tmp_path: Path) -> Lake:
    return Lake.open(shutil.copytree(prepared, str(tmp_path / "lake")))


def writer_of(lake: Lake) -> Committer:
    return Committer(lake, plan=None, fold_shots=fold_shots, wait_s=0.2)


def run(
    lake: Lake, name: str, *, pinned: bool = False, cache: Path | None = None, **span: float | datetime
) -> Forgotten:
    waiting = waiting_sources(StateFolder.of(lake.uri))
    places = places_to_forget(lake, name, waiting=waiting, **span)  # type: ignore[arg-type]
    none = Path(lake.uri).parent / "no-cache"
    return forget(lake, places, open_writer=lambda: writer_of(lake), pinned=pinned, cache=cache or none)


def needles(lake: Lake, where: str) -> list[bytes]:
    frames = lake.read("frames", columns=["id", "thumbnail"], where=where)
    regions = lake.read("regions", columns=["id"], where=where)["id"].to_pylist()
    ids = [name.encode() for name in (*frames["id"].to_pylist(), *regions)]
    return [*ids, *(picture[100:200] for picture in frames["thumbnail"].to_pylist())]


def holding(lake: Lake, wanted: Sequence[bytes]) -> list[str]:
    """The files below the lake that contain any of these bytes, found without the code that is tested."""
    files = [path for path in Path(lake.uri).rglob("*") if path.is_file()]
    contents = {path: path.read_bytes() for path in files}
    return [str(path) for path, held in contents.items() if any(needle in held for needle in wanted)]


def test_a_feed_goes_from_rows_versions_indexes_what_waits_and_what_was_damaged(lake: Lake) -> None:
    wanted = [*needles(lake, f"source_id = '{YARD.source.id}'"), YARD.source.id.encode(), WAITING.source.id.encode()]
    assert len(wanted) > 140
    move_aside(Path(lake.uri), Path(shutil.copy(holding(lake, wanted)[0], Path(lake.uri) / "of.an.earlier.repair")))
    assert len(holding(lake, wanted)) > 10
    assert any(f"/{KEPT}/" in path for path in holding(lake, wanted))
    before = {name: lake.count(name) for name in ("frames", "regions")}
    done = run(lake, "yard")
    assert (done.rows["frames"], done.rows["regions"], done.rows["sources"]) == (20, 120, 1)
    assert (done.waiting, done.proved, done.traces.found) == (3, True, ())
    assert done.traces.files > 20
    assert holding(lake, wanted) == []
    assert {name: lake.count(name) for name in before} == {
        "frames": before["frames"] - 20,
        "regions": before["regions"] - 120,
    }
    assert check(lake).problems == ()
    assert waiting_sources(StateFolder.of(lake.uri)) == [GATE.source]
    assert all(len(lake.dataset(name).versions()) == 1 for name in lake.names)
    with pytest.raises(QueryError, match="no source or feed yard"):
        run(lake, "yard")


def test_the_audit_log_of_a_service_stays(lake: Lake) -> None:
    log = StateFolder.of(lake.uri).audit / "audit.jsonl"
    log.parent.mkdir(parents=True)
    log.write_text(f'{{"action": "search", "what": {{"source": "{YARD.source.id}"}}}}\n')
    said = log.read_text()
    assert run(lake, "yard").proved
    assert log.read_text() == said


def test_of_a_span_rows_go_shots_are_cut_and_the_rest_stays_as_it_was(lake: Lake) -> None:
    inside = f"source_id = '{GATE.source.id}' AND pts >= 35 AND pts < 62"
    outside = f"source_id = '{GATE.source.id}' AND NOT (pts >= 35 AND pts < 62)"
    wanted, kept = needles(lake, inside), lake.read("frames", where=outside).sort_by("pts")
    began = DAY + timedelta(hours=1)
    done = run(lake, "gate", since=began + timedelta(seconds=3.5), until=began + timedelta(seconds=6.2))
    assert (done.proved, done.rows["frames"], done.rows["regions"]) == (True, 6, 36)
    assert holding(lake, wanted) == []
    assert lake.read("frames", where=f"source_id = '{GATE.source.id}'").sort_by("pts").equals(kept)
    shots = lake.read("shots", where=f"source_id = '{GATE.source.id}'").sort_by("start")
    assert list(zip(shots["start"].to_pylist(), shots["stop"].to_pylist(), strict=True)) == [
        (0, 30), (30, 35), (62, 90), (90, 100)
    ]  # fmt: skip
    assert shots["start_s"].to_pylist()[2] == 6.2
    assert check(lake).problems == ()
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
        assert MIDDLE in writer.done_spans(GATE.source.id) or GATE.source.span in writer.done_spans(GATE.source.id)
        assert writer.register(GATE.source) == []


def test_what_was_never_read_of_a_file_is_not_read_later(lake: Lake) -> None:
    done = run(lake, FILE.source.uri, since=4.0, until=7.0)
    assert (done.proved, done.rows["frames"]) == (True, 2)
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
        todo = writer.register(FILE.source)
        assert todo == [Span(70, 100)]
        writer.commit([FILE.rows(FILE.segment(todo[0]), patches=True)])
    assert check(lake).problems == ()
    assert sorted(lake.read("frames", where=f"source_id = '{FILE.source.id}'")["pts"].to_pylist()) == [
        *range(0, 40, 5), *range(70, 100, 5)
    ]  # fmt: skip


def test_of_waiting_rows_a_span_goes(lake: Lake) -> None:
    state = StateFolder.of(lake.uri)
    began = DAY + timedelta(hours=2)
    assert run(lake, "yard", since=began + timedelta(seconds=4), until=began + timedelta(seconds=6)).proved
    (batch, _) = [read_batch(path) for path in sorted(state.spool.glob("*.zip"))]
    assert [rows.segment.span for rows in batch.rows] == [Span(0, 40), Span(60, 100)]
    assert [pts for rows in batch.rows for pts in rows.frames["pts"].to_pylist()] == [
        *range(0, 40, 5),
        *range(60, 100, 5),
    ]
    assert [rows.report.frames_decoded for rows in batch.rows] == [40, 40]
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
        writer.commit(batch.rows)
    assert check(lake).problems == ()


def test_what_is_pinned_is_refused_until_it_is_wanted(lake: Lake) -> None:
    with pytest.raises(LakeError, match="is pinned in gate"):
        run(lake, "gate")
    assert lake.count("sources") == 4
    assert earlier_places(lake) == ()
    done = run(lake, "gate", pinned=True)
    assert (done.proved, done.pins, Pins(lake).read()) == (True, 1, ())
    assert holding(lake, [LATER.source.id.encode()]) == []


def test_a_pin_that_comes_meanwhile_is_refused_or_keeps_it(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Committer.__enter__

    def enter(writer: Committer) -> Committer:
        erase = writer.upkeep.erase

        def later(*args: object, **options: object) -> None:
            Pins(Lake.open(lake.uri)).write([*Pins(lake).read()])
            Pins(Lake.open(lake.uri)).add([(YARD.source.id, YARD.source.uri, None)])
            erase(*args, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(writer.upkeep, "erase", later)
        return real(writer)

    monkeypatch.setattr(Committer, "__enter__", enter)
    with pytest.raises(LakeError, match="pinned meanwhile"):
        run(lake, "yard")
    assert lake.count("frames", where=f"source_id = '{YARD.source.id}'") == 20
    assert check(lake).problems == ()


def test_beside_a_writer_it_is_refused_by_the_writers_name(lake: Lake) -> None:
    with writer_of(lake), pytest.raises(LakeError, match=f"{os.getpid()}"):
        run(lake, "yard")
    assert lake.count("frames", where=f"source_id = '{YARD.source.id}'") == 20
    assert len(waiting_sources(StateFolder.of(lake.uri))) == 5


def hit_of(lake: Lake, recording: Recording, pts: int, *, stay_s: float = 0.0) -> StandingHit:
    from pipeline.search.searcher import Searcher

    searcher = Searcher(lake)
    found = searcher.search(Query(box=(0, 0, 1, 1), k=200)).hits
    searcher.close()
    hit = next(each for each in found if each.source_id == recording.source.id and each.pts == pts)
    return StandingHit(Watch("door", Query(box=(0, 0, 1, 1)), 2.0, 60.0, stay_s), datetime.now(UTC), hit)


def test_watches_forget_what_they_saw_reported_and_wrote(lake: Lake) -> None:
    folder = StateFolder.of(lake.uri).path / "watch"
    gone, stays = hit_of(lake, YARD, 50), hit_of(lake, GATE, 50)
    out = folder / "hits.jsonl"
    with closing(WatchState(folder / "door.sqlite")) as state:
        seen = {YARD.source.id: [YARD.source.span], GATE.source.id: [GATE.source.span]}
        assert state.record([gone, stays], seen=seen, send=True) == 2
        assert state.record([hit_of(lake, each, 50, stay_s=5.0) for each in (YARD, GATE)], seen={}, send=True) == 0
        out.write_text("".join(hit.line + "\n" for hit in state.unwritten()))
        state.wrote(state.unwritten(), path=str(out), size=out.stat().st_size)
    letters = folder / "door.dead-letter.jsonl"
    letters.write_text("no json\n" + json.dumps({"hit": json.loads(gone.line)}) + "\n")
    done = run(lake, "yard")
    assert (done.hits, done.proved) == (3, True)
    assert holding(lake, [gone.hit.frame_id.encode(), YARD.source.id.encode()]) == []
    assert [json.loads(line)["id"] for line in out.read_text().splitlines()] == [stays.id]
    assert letters.read_text() == "no json\n"
    with closing(sqlite3.connect(folder / "door.sqlite")) as file:
        assert file.execute("SELECT count(*) FROM stays").fetchone() == (1,)
    with closing(WatchState(folder / "door.sqlite")) as state:
        assert state.seen([YARD.source.id, GATE.source.id]) == {YARD.source.id: [], GATE.source.id: [GATE.source.span]}
        assert state.size_of(str(out)) == out.stat().st_size
        assert state.unsent() == 1


def test_downloaded_copies_of_a_remote_source_are_deleted(tmp_path: Path) -> None:
    import hashlib

    cache = tmp_path / "downloads"
    cache.mkdir()
    (cache / "a.mp4").write_bytes(b"its bytes")
    (cache / "b.mp4").write_bytes(b"other bytes")
    lake = Lake.create_or_open(str(tmp_path / "lake"), SPACE)
    remote = replace(
        FILE.source, uri="https://example.org/a.mp4", id=hashlib.blake2b(b"its bytes", digest_size=16).hexdigest()
    )
    segment = FILE.segments(1)[0]
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
        writer.register(remote)
        writer.fail(Segment(remote, segment.span, segment.id), state="failed", error="its end is missing")
    assert run(lake, remote.uri, cache=cache).downloads == 1
    assert [path.name for path in cache.iterdir()] == ["b.mp4"]


def test_one_that_was_killed_at_any_step_is_finished_by_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a span, whose removal has the most steps; afterwards the lake is as if nothing had happened meanwhile."""
    span = {"since": 3.5, "until": 6.2}
    small = Lake.create_or_open(str(tmp_path / "small"), SPACE)
    with Committer(small, plan=stored(), fold_shots=fold_shots) as writer:
        writer.commit([with_pictures(GATE.rows_at(GATE.segments(1)[0]))])
        writer.end(GATE.source)
        named_tracks(small, GATE.source.id)
    clean = Lake.open(shutil.copytree(small.uri, str(tmp_path / "clean")))
    wanted = needles(clean, f"source_id = '{GATE.source.id}' AND pts >= 35 AND pts < 62")
    assert run(clean, GATE.source.id, **span).proved
    killed, at = True, 0
    while killed:
        lake = Lake.open(shutil.copytree(small.uri, str(tmp_path / str(at))))
        with monkeypatch.context() as patch:
            writer = writer_of(lake)
            count = 0

            def step(call: Callable[..., object]) -> Callable[..., object]:
                def stopped(*args: object, **options: object) -> object:
                    nonlocal count
                    count += 1
                    if count > at:  # noqa: B023
                        raise KilledError
                    return call(*args, **options)

                return stopped

            for name in CHANGES:
                patch.setattr(writer._state.tables, name, step(getattr(writer._state.tables, name)))
            patch.setattr("pipeline.forget.run.purge", step(lambda *_, **__: None))
            places = places_to_forget(lake, GATE.source.id, **span)
            killed = False
            try:
                forget(lake, places, open_writer=lambda: writer, pinned=False, cache=tmp_path / "none")  # noqa: B023
            except KilledError:
                killed = True
        if not killed:
            break
        with Committer(lake, plan=stored("another"), fold_shots=fold_shots):
            assert check(lake).problems == (), at  # whoever opens the lake next
        assert len(earlier_places(lake)) == 1
        assert run(lake, GATE.source.id, **span).proved, at
        assert earlier_places(lake) == ()
        assert holding(lake, wanted) == [], at
        assert compare(lake, clean) == (), at
        shutil.rmtree(lake.uri)
        at += 2  # each takes a second
    assert at > 6


@given(seed=st.integers(0, 2**32), at=st.integers(0, 3000), size=st.integers(8, 64))
@settings(max_examples=60, deadline=None)
def test_the_search_for_traces_finds_a_needle_wherever_it_is(
    seed: int, at: int, size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("traces") / "file"
    held = random.Random(seed).randbytes(3100)
    path.write_bytes(held)
    hidden, others = held[at : at + size], [random.Random(seed + n).randbytes(size) for n in (1, 2)]
    assert traces_in_files([path], [*others, hidden]).found == (str(path),)
    assert traces_in_files([path], others).found == ()
    assert traces_in_files([path], []).files == 1
