"""Catches an index that finds too little, hides new regions or shows removed ones, is used where an exact answer was
asked for, or harms answers after a killed build or damage."""

import json
import shutil
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.search.index import building, chunk_files, indexed_regions, merging, pruning, tuning
from pipeline.search.index.chunk_files import building_alone
from pipeline.search.index.clusters import Cells
from pipeline.search.index.indexed_regions import IndexedRegions, Nearest
from pipeline.search.index.layout import features_of
from pipeline.search.index.region_index import INDEX, RegionIndex
from pipeline.search.index.tuning import recall_of, tune
from pipeline.search.memory.kept_columns import delete_kept
from pipeline.search.memory.lake_cache import LakeCache
from pipeline.search.memory.resident import KEPT
from pipeline.search.methods.method import RankingRequest
from pipeline.search.searcher import Searcher
from schemas.errors import LakeError
from schemas.query import Query, SearchResult
from schemas.vectors import VectorArray, normalise
from tests.bench.search import segment_rows, source
from tests.pipeline.lake.synthetic import SPACE, fold_shots, stored
from tests.pipeline.search.drawn import CalibratedEncoder, DrawnEncoder

FRAMES = 100  # of 64 regions
BOX = (0.2, 0.3, 0.6, 0.8)
TEXTS = ("a dog", "a cat", "a bus", "a bird", "a tree", "a boat", "a door", "a man")
QUERIES = [Query(text=text, box=box) for text in TEXTS for box in (None, BOX, (0.4, 0.4, 0.5, 0.5))]


def clustered(count: int, *, seed: int) -> VectorArray:
    """float32 (count, D): about 60 drawn directions, as regions of the same things are."""
    directions = np.random.default_rng(1).normal(size=(60, SPACE.dimension))
    rng = np.random.default_rng(seed)
    moved = directions[rng.integers(60, size=count)] + 0.4 * rng.normal(size=(count, SPACE.dimension))
    return normalise(moved.astype(np.float32))


def remove(lake: Lake, number: int) -> None:
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as committer:
        committer.upkeep.remove_sources([source(number, frames=FRAMES // 2).id])


def add(lake: Lake, number: int, *, frames: int) -> None:
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as committer:
        made = source(number, frames=frames)
        committer.register(made)
        committer.commit([segment_rows(made, SPACE, seed=number, draw=lambda n: clustered(n, seed=number))])


@pytest.fixture(scope="module", autouse=True)
def few_measurements() -> Iterator[None]:
    """Tuning asks fewer queries than for a lake that is searched."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "AREAS", (0.01, 0.25))
        patch.setattr(tuning, "SHARES", (0.01, 0.04, 0.16))
        patch.setattr(tuning, "ZONES", (0.25,))
        patch.setattr(pruning, "PROBED", 200)  # bounds are for many regions
        patch.setattr(tuning, "_WITH_BOX", 10)
        patch.setattr(tuning, "WORDS", tuning.WORDS[:16])
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake.create_or_open(str(tmp_path_factory.mktemp("index") / "lake"), SPACE)
    add(lake, 0, frames=FRAMES // 2)
    add(lake, 1, frames=FRAMES // 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(indexed_regions, "MOST_NEAR", 0)  # boxes and zones are measured too
        tune(lake, DrawnEncoder())
    return lake


@pytest.fixture
def own(made: Lake, tmp_path: Path) -> Lake:
    """A copy of the lake that a test may change."""
    shutil.copytree(made.uri, tmp_path / "lake")
    return Lake.open(str(tmp_path / "lake"))


@pytest.fixture
def by_index(own: Lake) -> Iterator[Searcher]:
    searcher = Searcher(own, DrawnEncoder(), resident="disk", exact_within_ms=0.0)
    yield searcher
    searcher.close()


@pytest.fixture
def exact(own: Lake) -> Iterator[Searcher]:
    """Compares every region, in memory."""
    searcher = Searcher(Lake.open(own.uri), DrawnEncoder(), resident="float16")
    yield searcher
    searcher.close()


def answers(result: SearchResult) -> list[tuple[str, str | None, float]]:
    return [(hit.frame_id, hit.place.region_id, hit.distance) for hit in result.hits]


def test_the_recall_of_other_queries_is_about_the_target_and_the_answer_says_so(
    exact: Searcher, by_index: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    recalls = []
    monkeypatch.setattr(indexed_regions, "MOST_NEAR", 0)  # otherwise boxes are answered exactly by the index
    for query in QUERIES:
        found, expected = by_index.search(query), exact.search(query)
        assert (found.exact, found.access_path) in [(False, "index"), (True, "disk")]
        assert found.recall_target == (None if found.exact else 0.99)
        if found.exact:
            assert answers(found) == answers(expected)
        else:
            assert found.explanation is not None
            assert found.explanation.compared < found.explanation.passing  # and so it can miss something
            recalls.append(recall_of(found, expected, k=10))
            right = {hit.place.region_id: hit.distance for hit in expected.hits}
            # what is found has its exact distance
            assert all(right.get(h.place.region_id, h.distance) == h.distance for h in found.hits)
    assert len(recalls) >= len(TEXTS)
    assert np.mean(recalls) >= 0.95  # 24 queries of ten hits: two deviations below 0.99


AT_A_PLACE = (
    Query(text="a dog", zones=(BOX,)),
    Query(text="a dog", zones=("0.1,0.1 0.9,0.3 0.4,0.8",), min_inside=0.9, prior=0.0),
    Query(text="a dog", zones=("0=0,0,0.5,0.5", "1=0.4,0.4,1,1"), k=30),
    Query(text="a dog", zones=("0=0,0,0.5,0.5",)),  # regions of source 1 are compared by meaning alone
    Query(zones=(BOX,), k=30),
    Query(box=BOX),
    Query(text="a dog", box=BOX, norm="zscore"),
    Query(text="a dog", box=BOX, norm="rrf", k=101),
    Query(text="a dog", box=BOX, geometry="centroid", since=3.0, until=11.0),
    Query(text="a dog", box=(0.4, 0.4, 0.41, 0.41), geometry="giou", source_ids=(source(1, frames=2).id,)),
    Query(text="a dog", box=BOX, min_confidence=0.5),
    Query(text="a dog", zones=(BOX,), min_confidence=0.9),
)


def test_a_query_with_a_place_is_answered_exactly_by_the_index(own: Lake) -> None:
    encoder = CalibratedEncoder(SPACE)
    scan = Searcher(own, encoder, resident="float16")
    by_index = Searcher(own, encoder, resident="disk")
    paths = []
    for change in (lambda: None, lambda: add(own, 7, frames=2), lambda: remove(own, 0)):
        change()  # what is not in the index yet, and what is not in the lake any more
        for query in AT_A_PLACE:
            found, expected = by_index.search(query), scan.search(query)
            paths.append((query, found.access_path))
            assert found.exact
            assert answers(found) == answers(expected)
            assert found.candidates == expected.candidates
            assert [hit.place.confidence for hit in found.hits] == [hit.place.confidence for hit in expected.hits]
    by_scan = {str(query) for query, path in paths if path == "disk"}
    assert by_scan == {str(AT_A_PLACE[2]), str(AT_A_PLACE[3])}  # source 7 has no zone: its regions of all places count
    assert (AT_A_PLACE[2], "index") in paths
    scan.close()
    by_index.close()


@settings(max_examples=20, deadline=None)
@given(
    text=st.sampled_from(TEXTS),
    sides=st.lists(st.integers(0, 1000), min_size=4, max_size=4, unique=True),
    weight=st.floats(0, 1, width=32),
    k=st.integers(1, 120),
)
def test_boxes_are_answered_as_numpy_does_it(made: Lake, text: str, sides: list[int], weight: float, k: int) -> None:
    (x0, x1), (y0, y1) = (sorted(side / 1000 for side in pair) for pair in (sides[:2], sides[2:]))
    searcher = Searcher(made, DrawnEncoder(), resident="disk")
    found = searcher.search(Query(text=text, box=(x0, y0, x1, y1), weight=weight, prior=0.0, k=k))
    searcher.close()
    assert (found.exact, found.access_path) == (True, "index")
    event(f"{found.candidates // 1000} thousand regions lie there")
    rows = made.read("regions")
    vectors = rows["vector"].combine_chunks().flatten().to_numpy().reshape(-1, SPACE.dimension).astype(np.float64)
    boxes = np.stack([rows[name].to_numpy() for name in ("x0", "y0", "x1", "y1")], axis=1).astype(np.float64)
    width = np.minimum(boxes[:, 2], x1) - np.maximum(boxes[:, 0], x0)
    height = np.minimum(boxes[:, 3], y1) - np.maximum(boxes[:, 1], y0)
    shared = np.clip(width, 0, None) * np.clip(height, 0, None)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    iou = shared / (area + (x1 - x0) * (y1 - y0) - shared)
    semantic = 1 - vectors @ DrawnEncoder().encode_texts([text])[0].astype(np.float64)
    distance = np.where((width > 0) & (height > 0), weight * semantic + (1 - weight) * (1 - iou), np.inf)
    best: dict[str, float] = {}
    for frame, near in zip(rows["frame"].to_pylist(), distance.tolist(), strict=True):
        best[frame] = min(near, best.get(frame, np.inf))
    expected = sorted(near for near in best.values() if near < np.inf)[:k]
    np.testing.assert_allclose([hit.distance for hit in found.hits], expected, atol=1e-5)
    np.testing.assert_allclose([best[hit.frame_id] for hit in found.hits], expected, atol=1e-5)


def test_an_answer_by_a_scan_is_the_exact_one(own: Lake, exact: Searcher) -> None:
    asked = Searcher(own, DrawnEncoder(), resident="disk", exact_within_ms=np.inf)
    default = Searcher(own, DrawnEncoder(), resident="disk")  # so few regions take less than its limit
    by_index = Searcher(own, DrawnEncoder(), resident="disk", exact_within_ms=0.0)
    others = [replace(QUERIES[0], k=101), Query(text="a dog", methods=("global",))]
    for searcher, queries in ((asked, QUERIES[:4]), (default, QUERIES[:6:3]), (by_index, others)):
        for query in queries:
            found = searcher.search(query)
            assert found.exact
            assert found.access_path == "disk"
            assert answers(found) == answers(exact.search(query))


def test_a_least_confidence_by_the_index_holds_and_what_lies_deeper_is_compared_exactly(own: Lake) -> None:
    """Hits of the index are those of the nearest hundred frames; with fewer of them every region is compared."""
    encoder = CalibratedEncoder(SPACE)
    scan = Searcher(own, encoder, resident="float16")
    by_index = Searcher(own, encoder, resident="disk", exact_within_ms=0.0)
    paths = set()
    for text in TEXTS:
        chances = sorted(hit.place.confidence or 0.0 for hit in scan.search(Query(text=text, k=100)).hits)
        for least in (chances[50], 0.5 * (1 + chances[-1])):
            query = Query(text=text, min_confidence=least, k=5)
            found, expected = by_index.search(query), scan.search(query)
            assert all(hit.place.confidence is not None and hit.place.confidence >= least for hit in found.hits)
            assert len(found.hits) == len(expected.hits)
            if found.exact:
                assert answers(found) == answers(expected)
            paths.add(found.access_path)
    assert paths == {"disk", "index"}
    scan.close()
    by_index.close()


def test_rows_are_found_as_soon_as_they_are_committed_and_gone_as_soon_as_they_are_removed(
    own: Lake, exact: Searcher, by_index: Searcher
) -> None:
    by_index.search(QUERIES[0])
    add(own, 7, frames=2)
    only_new = Query(text="a dog", source_ids=(source(7, frames=2).id,))
    for query in (only_new, replace(only_new, box=BOX)):
        assert answers(by_index.search(query)) == answers(exact.search(query))
    # among all others too: the regions that are not in the index yet are all compared
    new = {hit.frame_id for hit in exact.search(only_new).hits}
    for query in QUERIES:
        expected = {hit.frame_id for hit in exact.search(query).hits} & new
        assert expected <= {hit.frame_id for hit in by_index.search(query).hits}
    remove(own, 0)
    for query in QUERIES:
        assert all(hit.source_id != source(0, frames=1).id for hit in by_index.search(query).hits)


def test_a_filter_that_few_frames_pass_does_not_lower_the_recall(exact: Searcher, by_index: Searcher) -> None:
    queries = [Query(text=text, since=3.0, until=11.0) for text in TEXTS]
    recalls = [recall_of(by_index.search(query), exact.search(query), k=10) for query in queries]
    assert np.mean(recalls) >= 0.95


def _index_folder(lake: Lake) -> Path:
    return next((Path(lake.uri) / KEPT).iterdir()) / INDEX


class Killed(BaseException):
    """Stands for the end of a process: nothing is cleaned up that only a living process would."""


@pytest.mark.parametrize("seed", range(2))
def test_builds_that_are_killed_anywhere_leave_the_index_before_them_and_the_next_one_continues(
    own: Lake, by_index: Searcher, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build is killed before a random one of its writes, again and again, until one comes through."""
    monkeypatch.setattr(building, "CHUNK", 1000)
    before = answers(by_index.search(QUERIES[0]))
    add(own, 8, frames=120)  # more than twice as many: the clusters are found anew
    rng = np.random.default_rng(seed)
    written: list[str] = []
    left = [0]

    def dying(call: Callable[..., object]) -> Callable[..., object]:
        def counted(*args: object, **more: object) -> object:
            if not left[0]:
                raise Killed
            left[0] -= 1
            found = call(*args, **more)
            written.append(call.__name__)
            return found

        return counted

    columns = LakeCache(own, resident="disk")
    columns.refresh()
    assert columns.kept is not None
    kills = 0
    for module, name in (
        (chunk_files, "_chunk"),
        (building, "find_layout"),
        (building, "record_index"),
        (merging, "save_coarse"),
        (merging, "_write"),
    ):
        monkeypatch.setattr(module, name, dying(getattr(module, name)))
    while True:
        left[0] = int(rng.integers(1, 12)) if kills < 6 else 10_000
        try:
            index = building.build_index(columns, columns.kept)
            break
        except Killed:
            kills += 1
            again = Searcher(own, DrawnEncoder(), resident="disk", exact_within_ms=0.0)
            assert again.search(QUERIES[0]).access_path == "index"
            assert set(before) & set(answers(by_index.search(QUERIES[0])))
            again.close()
    assert kills >= 3
    assert written.count("find_layout") == 1  # what was done is kept
    assert written.count("_chunk") == -(-len(columns.region_id) // 1000)
    assert sorted(index.columns["row"].tolist()) == list(range(len(columns.region_id)))
    assert [path.name for path in _index_folder(own).iterdir() if path.is_dir()] == [index.id]
    assert tune(own, DrawnEncoder()).built is False
    assert by_index.search(QUERIES[0]).access_path == "index"


def test_an_index_gets_what_is_new_and_is_as_one_that_is_built_at_once(own: Lake) -> None:
    remove(own, 0)
    add(own, 8, frames=30)
    columns = LakeCache(own, resident="disk")
    columns.refresh()
    assert columns.kept is not None
    first = RegionIndex.open(columns.kept.folder, dimension=columns.dimension)
    assert first is not None
    index = building.build_index(columns, columns.kept)
    assert np.array_equal(index.coarse.layout.centres, first.coarse.layout.centres)
    assert index.trained == first.trained
    rows = index.columns["row"].astype(np.intp)
    assert sorted(rows.tolist()) == np.flatnonzero(columns.region_alive).tolist()
    stored = np.asarray(columns.region_vectors)[rows]
    features = features_of(columns, rows)
    np.testing.assert_array_equal(
        np.stack([index.columns[name] for name in ("x0", "y0", "x1", "y1")], 1), features[:, :4]
    )
    group = np.repeat(np.arange(index.coarse.layout.groups), np.diff(index.coarse.offsets))
    np.testing.assert_array_equal(index.coarse.layout.group_of(stored, features), group)
    wide = index.columns["steps"] * index.columns["step"][:, None].astype(np.float64)
    assert np.abs(wide - stored).max() <= index.columns["step"].max() / 2 + 1e-6


def test_two_processes_do_not_build_the_same_index(own: Lake) -> None:
    with building_alone(_index_folder(own)):
        add(own, 8, frames=30)
        with pytest.raises(LakeError, match="another process is building"):
            tune(own, DrawnEncoder())


@pytest.mark.parametrize("damage", ["record", "coarse", "short", "absent", "rows"])
def test_a_damaged_index_is_ignored_with_a_sentence_and_built_again(own: Lake, exact: Searcher, damage: str) -> None:
    folder = next((Path(own.uri) / KEPT).iterdir()) / INDEX
    held = next(path for path in folder.iterdir() if path.is_dir())
    match damage:
        case "record":
            (folder / "index.json").write_text('{"form": 1, "dimension": 16')
        case "coarse":
            raw = bytearray((held / "coarse.npz").read_bytes())
            raw[len(raw) // 2] ^= 255
            (held / "coarse.npz").write_bytes(raw)
        case "short":
            (held / "steps").write_bytes((held / "steps").read_bytes()[:-1])
        case "absent":
            (held / "x1").unlink()
        case _:
            size = (held / "row").stat().st_size
            (held / "row").write_bytes(b"\xff" * size)
    searcher = Searcher(own, DrawnEncoder(), resident="disk", exact_within_ms=0.0)
    for _ in range(2):
        found = searcher.search(QUERIES[0])
        assert found.exact
        assert found.explanation is not None
        assert "upkeep --tune" in found.explanation.why
        assert answers(found) == answers(exact.search(QUERIES[0]))
    if damage != "rows":  # which only a query finds; see the README
        assert tune(own, DrawnEncoder()).built
        assert searcher.search(QUERIES[0]).access_path == "index"


def test_queries_that_are_answered_together_have_their_regions_in_memory_one_by_one(
    own: Lake, exact: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    searcher = Searcher(own, DrawnEncoder(), resident="disk", exact_within_ms=0.0)
    held: list[weakref.ref[NDArray[np.int64]]] = []
    most = 0
    real = IndexedRegions.near

    def near(self: IndexedRegions, request: RankingRequest) -> Nearest:
        nonlocal most
        found = real(self, request)
        held.append(weakref.ref(found.regions.frame))
        most = max(most, sum(each() is not None for each in held))
        return found

    monkeypatch.setattr(IndexedRegions, "near", near)
    boxes = [query for query in QUERIES if query.box is not None]
    together = searcher.answer([searcher.asked(query) for query in boxes])
    for query, found in zip(boxes, together, strict=True):
        assert not isinstance(found, Exception)
        assert (found.access_path, answers(found)) == ("index", answers(exact.search(query)))
    assert len(held) == len(boxes)
    assert most == 1


def test_a_query_that_finds_the_index_damaged_spoils_none_that_is_answered_with_it(own: Lake, exact: Searcher) -> None:
    row = next(path for path in _index_folder(own).iterdir() if path.is_dir()) / "row"
    row.write_bytes(b"\xff" * row.stat().st_size)  # which only a query finds
    searcher = Searcher(own, DrawnEncoder(), resident="disk", exact_within_ms=0.0)
    for query, found in zip(QUERIES, searcher.answer([searcher.asked(query) for query in QUERIES]), strict=True):
        assert not isinstance(found, Exception)
        assert found.exact
        assert answers(found) == answers(exact.search(query))


def test_forgotten_columns_take_the_index_with_them(own: Lake, by_index: Searcher) -> None:
    by_index.search(QUERIES[0])
    delete_kept(Path(own.uri) / KEPT)
    assert not list((Path(own.uri) / KEPT).rglob("coarse.npz"))
    found = Searcher(own, DrawnEncoder(), resident="disk", exact_within_ms=0.0).search(QUERIES[0])
    assert found.exact


def test_columns_that_are_replaced_while_the_index_is_built_are_not_indexed(
    own: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(own, 9, frames=30)

    def forgotten(folder: Path, coarse: object) -> None:
        building_save(folder, coarse)  # type: ignore[arg-type]
        (folder.parent.parent / "newest.json").unlink()

    building_save = merging.save_coarse
    monkeypatch.setattr(merging, "save_coarse", forgotten)
    with pytest.raises(LakeError, match="replaced"):
        tune(own, DrawnEncoder())


def test_an_index_of_columns_that_another_process_made_is_used_as_soon_as_they_are_taken_over(own: Lake) -> None:
    """A service looks at the lake once in a while: the index may be there before it has the columns."""
    behind = Searcher(own, DrawnEncoder(), resident="disk", exact_within_ms=0.0, max_age_s=1e6)
    at_a_place = QUERIES[1]
    assert behind.search(at_a_place).access_path == "index"
    add(own, 8, frames=30)
    assert tune(Lake.open(own.uri), DrawnEncoder()).built  # with rows that `behind` does not have
    found = behind.search(at_a_place)
    assert found.access_path == "disk"
    assert found.explanation is not None
    assert "not read yet" in found.explanation.why
    behind.refresh()
    assert behind.search(at_a_place).access_path == "index"

    with Committer(own, plan=stored(), fold_shots=fold_shots) as committer:
        committer.upkeep.remove_sources([source(number, frames=FRAMES // 2).id for number in (0, 1)])
    add(own, 9, frames=60)
    assert tune(Lake.open(own.uri), DrawnEncoder()).built  # of columns that began again
    assert behind.search(at_a_place).access_path == "disk"
    behind.refresh()
    assert behind.search(at_a_place).access_path == "index"


def test_rows_that_an_index_has_keep_their_numbers_over_a_start_of_the_machine(own: Lake) -> None:
    """Only what was synced counts after it, and what is read again then may lie in another order."""
    add(own, 8, frames=12)  # too few for a sync of the columns alone
    Searcher(own, DrawnEncoder(), resident="disk").close()
    assert tune(own, DrawnEncoder()).built
    folder = next((Path(own.uri) / KEPT).iterdir())
    covered = json.loads((folder / INDEX / "index.json").read_text())["covered"]
    assert json.loads((folder / "durable.json").read_text())["tables"]["regions"]["size"] >= covered


def test_rows_that_a_killed_build_named_keep_their_numbers_over_a_start_of_the_machine(
    own: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(own, 8, frames=12)
    columns = LakeCache(own, resident="disk")
    columns.refresh()
    assert columns.kept is not None
    monkeypatch.setattr(building, "merge", lambda *_, **__: (_ for _ in ()).throw(Killed()))
    with pytest.raises(Killed):
        building.build_index(columns, columns.kept)
    assert [*(_index_folder(own) / "building").glob("*.npy")]  # the next build continues with these
    durable = json.loads((columns.kept.folder / "durable.json").read_text())
    assert durable["tables"]["regions"]["size"] == len(columns.region_id)


def test_an_index_that_is_measured_while_another_process_builds_takes_no_chunks_from_it(
    own: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tuning._measured
    with ExitStack() as other:

        def measured(*args: object, **more: object) -> object:
            other.enter_context(building_alone(_index_folder(own)))
            (_index_folder(own) / "building").mkdir()
            return real(*args, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(tuning, "_measured", measured)
        with pytest.raises(LakeError, match="another process is building"):
            tune(own, DrawnEncoder())
        assert (_index_folder(own) / "building").is_dir()


def test_a_region_whose_frame_comes_later_is_in_the_index(own: Lake) -> None:
    columns = LakeCache(own, resident="disk")
    columns.refresh()
    columns._frame_of_region[:100] = -1  # as in the middle of a commit
    assert columns.kept is not None
    building.build_index(columns, columns.kept)
    index = RegionIndex.open(columns.kept.folder, dimension=columns.dimension)
    assert index is not None
    assert sorted(index.columns["row"].tolist()) == list(range(index.covered))


def test_a_lake_of_few_regions_is_refused_and_keeps_no_columns(tmp_path: Path) -> None:
    lake = Lake.create_or_open(str(tmp_path / "lake"), SPACE)
    add(lake, 0, frames=2)
    with pytest.raises(LakeError, match=r"128 regions; an index is for 1,000"):
        tune(lake, None)
    assert not (tmp_path / "lake" / ".search").exists()  # by which later searches would take the disk


@settings(max_examples=30)
@given(st.integers(0, 2**16), st.integers(0, 5))
def test_every_box_is_in_one_cell_by_its_values_alone(seed: int, depth: int) -> None:
    features = np.random.default_rng(seed).uniform(size=(200, 5)).astype(np.float32)
    cells = Cells.of(features, depth=depth)
    found = cells.assign(features)
    assert len(cells) == 2**depth
    assert ((found >= 0) & (found < len(cells))).all()
    np.testing.assert_array_equal(cells.assign(features[::-1])[::-1], found)
    if depth <= 3:  # medians halve what is left
        assert np.bincount(found, minlength=len(cells)).max() <= 200 / len(cells) + 2**depth
