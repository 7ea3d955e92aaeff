"""A watcher beside a writer: catches hits that are missed, doubled, wrong, or reported before their commit ends."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.lake.writing.table_writer import TableWriter
from pipeline.search.searcher import Searcher
from pipeline.watch.matcher import with_targets
from pipeline.watch.new_rows import RowReader
from pipeline.watch.watch import Watch
from pipeline.watch.watch_state import WatchState
from pipeline.watch.watcher import Since, Watcher
from schemas.errors import LakeError, ModelError, PlanError, QueryError, WatchError
from schemas.query import Query, WeightedMethod
from schemas.query_json import hit_json
from tests.pipeline.lake.synthetic import PLAN, SPACE, World, fold_shots, stored
from tests.pipeline.search.drawn import CalibratedEncoder, DrawnEncoder, add
from tests.pipeline.watch.watching import BOX, CAR, EVERYTHING, expected, reported, watcher


def committer(lake: Lake, plan: str = PLAN) -> Committer:
    return Committer(lake, plan=stored(plan), fold_shots=fold_shots, wait_s=1.0)


def test_hits_are_those_of_brute_force_each_once_in_whatever_order_segments_come(lake: Lake, tmp_path: Path) -> None:
    watching = watcher(lake, tmp_path, (CAR, BOX))
    segments = [(world, s) for world in (World(n, length=50) for n in range(4)) for s in world.segments(5)]
    order = np.random.default_rng(7).permutation(len(segments))
    with committer(lake) as writer:
        for number, index in enumerate(order.tolist()):
            world, segment = segments[index]
            writer.register(world.source)
            writer.commit([world.rows(segment)])
            if number % 3 == 0:
                watching.look()
            if number % 7 == 0:
                writer.upkeep.compact(many=2)
        watching.look()
    for watch in (CAR, BOX):
        found = [hit for hit in reported(tmp_path) if hit["watch"] == watch.name]
        right = expected(lake, watch)
        assert 3 < len(right) < 40, "too few or too many frames are near enough for a test"
        assert sorted(hit["frame_id"] for hit in found) == sorted(right)
        for hit in found:
            distance, region = right[hit["frame_id"]]
            assert hit["region_id"] == region
            assert hit["distance"] == pytest.approx(distance, abs=1e-6)
    assert watching.status().keyframes == 40
    assert len({hit["id"] for hit in reported(tmp_path)}) == len(reported(tmp_path))


def test_a_hit_is_the_hit_of_a_search_and_its_distance_the_one_to_cut_at(lake: Lake, tmp_path: Path) -> None:
    with committer(lake) as writer:
        add(writer, World(0))
        add(writer, World(2, timed=True))
    searched = Searcher(lake, DrawnEncoder()).search(replace(CAR.query, k=7)).hits
    watcher(lake, tmp_path, (replace(CAR, max_distance=searched[-1].distance),), since="start").look()
    found = sorted(reported(tmp_path), key=lambda hit: hit["distance"])
    assert len(found) == 7
    for hit, like in zip(found, searched, strict=True):
        as_json = json.loads(json.dumps(hit_json(like)))
        assert {name: hit[name] for name in as_json if name not in ("rank", "shot_s")} == {
            name: value for name, value in as_json.items() if name not in ("rank", "shot_s")
        }
        assert hit.keys() - as_json.keys() == {"id", "watch", "found_at"}
        assert as_json.keys() <= hit.keys()


@pytest.mark.parametrize("text", ["red car", None])
def test_a_zone_is_that_of_a_search_and_of_its_sources(lake: Lake, tmp_path: Path, text: str | None) -> None:
    with committer(lake) as writer:
        for number in range(3):
            add(writer, World(number))
    query = Query(text=text, zones=("cam0=0,0 .6,0 .3,1", "cam1=.2,.2,.9,.9"), min_inside=0.7, k=1000)
    searched = Searcher(lake, DrawnEncoder()).search(query)
    watcher(lake, tmp_path, (Watch("zone", query, max_distance=2.0),), since="start").look()
    found = {hit["frame_id"]: hit for hit in reported(tmp_path)}
    assert found.keys() == {hit.frame_id for hit in searched.hits}
    for hit in searched.hits:
        like = found[hit.frame_id]
        assert (like["region_id"], like["geometric"]) == (hit.place.region_id, hit.place.geometric)
        assert like["distance"] == hit.distance
    others = {hit["geometric"] is None for hit in found.values() if "cam2" in hit["source"]}
    assert others == (set() if text is None else {True})


def test_what_is_there_counts_from_the_start_only_where_that_is_asked_for(lake: Lake, tmp_path: Path) -> None:
    with committer(lake) as writer:
        add(writer, World(0, length=20))
        (tmp_path / "now").mkdir()
        (tmp_path / "start").mkdir()
        now = watcher(lake, tmp_path / "now")
        start = watcher(lake, tmp_path / "start", since="start")
        for each in (now, start):
            each.look()
        assert (len(reported(tmp_path / "now")), len(reported(tmp_path / "start"))) == (0, 4)
        add(writer, World(1, length=20))
        for each in (now, start):
            each.look()
        assert (len(reported(tmp_path / "now")), len(reported(tmp_path / "start"))) == (4, 8)


def test_a_commit_that_is_under_way_is_due_of_when_it_has_ended(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watcher looks before and after every write of a table: between them the rows are there, and not done."""
    watching = watcher(lake, tmp_path)
    seen: list[int] = []

    def looks_around(name: str) -> None:
        write = getattr(TableWriter, name)

        def looked_at(self: TableWriter, *arguments: object) -> None:
            watching.look()
            seen.append(len(reported(tmp_path)))
            write(self, *arguments)
            watching.look()
            seen.append(len(reported(tmp_path)))

        monkeypatch.setattr(TableWriter, name, looked_at)

    for name in ("_add", "upsert", "delete"):
        looks_around(name)
    with committer(lake) as writer:
        for number in range(3):
            add(writer, World(number, length=20), pieces=2)
    assert set(seen) == {0, 2, 4, 6, 8, 10, 12}, "a segment of two keyframes is reported as a whole"
    assert sorted(hit["frame_id"] for hit in reported(tmp_path)) == sorted(expected(lake, EVERYTHING))


@pytest.mark.parametrize("since", ["now", "start"])
def test_a_watcher_that_begins_in_the_middle_of_a_commit_tells_of_it(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, since: Since
) -> None:
    begun: dict[str, Watcher] = {}

    def begins_before(name: str) -> None:
        write = getattr(TableWriter, name)

        def begun_first(self: TableWriter, table: str, *arguments: object) -> None:
            folder = tmp_path / f"{len(begun)}-{name}-{table}"
            folder.mkdir()
            begun[folder.name] = watcher(lake, folder, since=since)
            begun[folder.name].look()
            write(self, table, *arguments)

        monkeypatch.setattr(TableWriter, name, begun_first)

    for name in ("_add", "upsert"):
        begins_before(name)
    with committer(lake) as writer:
        add(writer, World(0, length=20))
    assert {"_add-segments", "_add-frames", "_add-regions", "upsert-segments"} <= {
        name.partition("-")[2] for name in begun
    }
    for name, watching in begun.items():
        if not name.endswith(("-shots", "upsert-sources")):  # the segment was done by then, or the source not there
            watching.look()
            assert len(reported(tmp_path / name)) == 4, name


def test_what_failed_is_due_of_when_it_is_done_later(lake: Lake, tmp_path: Path) -> None:
    world = World(0, length=40)
    first, second = world.segments(2)
    watching = watcher(lake, tmp_path)
    with committer(lake) as writer:
        writer.register(world.source)
        writer.fail(first, state="failed", error="the decoder died")
        writer.commit([world.rows(second)])
        watching.look()
        assert len(reported(tmp_path)) == 4
        writer.commit([world.rows(first)])
        watching.look()
    assert sorted(hit["pts_s"] for hit in reported(tmp_path)) == [p / 10 for p in range(0, 40, 5)]


def test_a_source_that_is_replaced_or_removed_is_no_new_hit(lake: Lake, tmp_path: Path) -> None:
    watching = watcher(lake, tmp_path)
    with committer(lake) as writer:
        add(writer, World(0, length=40), pieces=2)
        add(writer, World(1, length=40))
        watching.look()
        writer.upkeep.remove_sources([World(1).source.id])
        watching.look()
        add(writer, World(1, length=40))
    again = World(0, length=40, plan="plan-b")
    with committer(lake, "plan-b") as writer:
        writer.register(again.source, replace=True)
        watching.look()
        for segment in again.segments(3):  # cut otherwise
            writer.commit([again.rows(segment)])
            watching.look()
    assert len(reported(tmp_path)) == 16
    assert watching.status().hits == 16


def test_a_source_that_goes_while_it_is_read_comes_again_when_it_is_done_again(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching = watcher(lake, tmp_path)
    read = RowReader.read
    with committer(lake) as writer:
        add(writer, World(0, length=20))
        add(writer, World(1, length=20))

        def meanwhile(self: RowReader, spans: object) -> object:
            monkeypatch.setattr(RowReader, "read", read)
            writer.upkeep.remove_sources([World(0).source.id])
            return read(self, spans)  # type: ignore[arg-type]

        monkeypatch.setattr(RowReader, "read", meanwhile)
        watching.look()
        assert {hit["source"] for hit in reported(tmp_path)} == {World(1).source.uri}
        add(writer, World(0, length=20))
        watching.look()
    assert sorted(hit["frame_id"] for hit in reported(tmp_path)) == sorted(expected(lake, EVERYTHING))


def test_what_could_not_be_read_is_read_later(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watching = watcher(lake, tmp_path)
    with committer(lake) as writer:
        add(writer, World(0, length=20))
    with monkeypatch.context() as broken:
        broken.setattr(Lake, "dataset", lambda *_: (_ for _ in ()).throw(LakeError("the bucket is gone")))
        with pytest.raises(LakeError):
            watching.look()
    real = RowReader.read
    monkeypatch.setattr(RowReader, "read", lambda *_: (_ for _ in ()).throw(LakeError("the bucket is gone")))
    with pytest.raises(LakeError):
        watching.look()
    monkeypatch.setattr(RowReader, "read", real)
    watching.look()
    assert len(reported(tmp_path)) == 4


@pytest.mark.parametrize("to_file", [True, False])
def test_a_state_that_takes_no_note_for_a_while_doubles_no_line(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], to_file: bool
) -> None:
    out = tmp_path / "hits.jsonl" if to_file else sys.stdout
    state = WatchState(tmp_path / "watch.sqlite")
    watching = Watcher(lake, with_targets((EVERYTHING,), lake, DrawnEncoder()), state, out=out)
    with monkeypatch.context() as full, committer(lake) as writer:
        full.setattr(state.__class__, "wrote", lambda *_, **__: (_ for _ in ()).throw(WatchError("no space left")))
        add(writer, World(0, length=20))
        for _ in range(3):
            with pytest.raises(WatchError, match="no space left"):
                watching.look()
    watching.look()
    text = (tmp_path / "hits.jsonl").read_text() if to_file else capsys.readouterr().out
    assert len({json.loads(line)["id"] for line in text.splitlines()}) == len(text.splitlines()) == 4


def test_the_next_watcher_goes_on_where_the_last_one_was(lake: Lake, tmp_path: Path) -> None:
    with committer(lake) as writer:
        for number in range(3):
            state = WatchState(tmp_path / "watch.sqlite")
            watching = watcher(lake, tmp_path, since="now", state=state)
            add(writer, World(2 * number, length=20))
            watching.look()
            state.close()
            add(writer, World(2 * number + 1, length=20))  # while nobody watches
            writer.upkeep.compact(many=2)
    watcher(lake, tmp_path).look()
    frames = [hit["frame_id"] for hit in reported(tmp_path)]
    assert sorted(frames) == sorted(expected(lake, EVERYTHING))


def test_a_watch_asks_for_its_own_sources_alone(lake: Lake, tmp_path: Path) -> None:
    cam1 = replace(EVERYTHING, name="cam1", query=Query(text="whatever", source="/cam1/"))
    with committer(lake) as writer:
        watching = watcher(lake, tmp_path, (cam1,))
        for number in range(3):
            add(writer, World(number, length=20))
        watching.look()
    assert {hit["source"] for hit in reported(tmp_path)} == {World(1).source.uri}


def test_fragments_that_cannot_hold_what_is_new_are_not_read_again(lake: Lake, tmp_path: Path) -> None:
    watching = watcher(lake, tmp_path)
    with committer(lake) as writer:
        for number in range(4):
            add(writer, World(number, length=20))
            watching.look()
    there, passed = watching._reader.fragments(), watching._reader._passed
    assert {name: len(there[name]) for name in there} == {"frames": 4, "regions": 4}
    assert passed == there


def test_two_watchers_do_not_share_a_state(lake: Lake, tmp_path: Path) -> None:
    watcher(lake, tmp_path)
    with pytest.raises(WatchError, match="another watcher has"):
        watcher(lake, tmp_path)


def test_a_limit_of_confidence_reports_the_frames_that_a_search_finds_with_it(lake: Lake, tmp_path: Path) -> None:
    with committer(lake) as writer:
        add(writer, World(0))
        add(writer, World(2, timed=True))
    query = replace(CAR.query, min_confidence=0.2)
    searched = Searcher(lake, CalibratedEncoder()).search(replace(query, k=100)).hits
    assert 0 < len(searched) < 40
    watches = with_targets(
        [Watch("sure", query), Watch("near", query, searched[2].distance)], lake, CalibratedEncoder()
    )
    watching = Watcher(
        Lake.open(lake.uri), watches, WatchState(tmp_path / "s.sqlite"), out=tmp_path / "hits.jsonl", since="start"
    )
    watching.look()
    found = {name: [hit for hit in reported(tmp_path) if hit["watch"] == name] for name in ("sure", "near")}
    own = {hit.frame_id: (hit.place.region_id, hit.confidence) for hit in searched}
    assert {hit["frame_id"]: (hit["region_id"], hit["confidence"]) for hit in found["sure"]} == own
    assert {hit["frame_id"] for hit in found["near"]} == {hit.frame_id for hit in searched[:3]}
    with pytest.raises(QueryError, match="has no calibration"):
        with_targets([Watch("sure", query)], lake, DrawnEncoder())


def test_watches_that_cannot_begin_are_refused(lake: Lake, tmp_path: Path) -> None:
    state = WatchState(tmp_path / "watch.sqlite")
    with pytest.raises(PlanError, match="different names"):
        watcher(lake, tmp_path, (CAR, CAR), state=state)
    watcher(lake, tmp_path, (CAR,), state=state)
    watcher(lake, tmp_path, (replace(CAR, max_distance=0.1),), since="start", state=state)
    with pytest.raises(PlanError, match="door would begin where the others"):
        watcher(lake, tmp_path, (CAR, BOX), since="start", state=state)
    other = DrawnEncoder(replace(SPACE, model="other", revision="other"))
    with pytest.raises(ModelError):
        with_targets((CAR,), lake, other)


@pytest.mark.parametrize(
    "bad",
    [
        {"max_distance": float("nan")},
        {"max_distance": -0.1},
        {"max_distance": None},
        {"name": "a/b"},
        {"cooldown_s": -1.0},
        {"query": Query(text="x", methods=(WeightedMethod("global"),))},
        {"query": Query(text="x", since=3.0)},
        {"query": Query(text="x", then="y", within_s=3.0)},
    ],
)
def test_a_watch_that_one_frame_cannot_answer_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(QueryError):
        Watch(**({"name": "x", "query": Query(text="x"), "max_distance": 0.5} | bad))  # type: ignore[arg-type]
