"""Catches an index that finds too little, hides new regions or shows removed ones, is used where an exact answer was
asked for, or harms answers after a killed build or damage."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.search.index import building, tuning
from pipeline.search.index.building import compact
from pipeline.search.index.clusters import Cells
from pipeline.search.index.region_index import BOX_STEPS, INDEX, RegionIndex
from pipeline.search.index.tuning import recall_of, tune
from pipeline.search.memory.kept_columns import delete_kept
from pipeline.search.memory.lake_cache import LakeCache
from pipeline.search.memory.resident import KEPT
from pipeline.search.searcher import Searcher
from schemas.errors import LakeError
from schemas.query import Query, SearchResult
from schemas.vectors import VectorArray, normalise
from tests.bench.search import segment_rows, source
from tests.pipeline.lake.synthetic import SPACE, fold_shots, stored
from tests.pipeline.search.drawn import DrawnEncoder

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
        patch.setattr(tuning, "_WITH_BOX", 10)
        patch.setattr(tuning, "WORDS", tuning.WORDS[:16])
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake.create_or_open(str(tmp_path_factory.mktemp("index") / "lake"), SPACE)
    add(lake, 0, frames=FRAMES // 2)
    add(lake, 1, frames=FRAMES // 2)
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
    exact: Searcher, by_index: Searcher
) -> None:
    recalls = []
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


def test_an_answer_that_calls_itself_exact_is_the_exact_one(own: Lake, exact: Searcher) -> None:
    asked = Searcher(own, DrawnEncoder(), resident="disk", exact_within_ms=np.inf)
    default = Searcher(own, DrawnEncoder(), resident="disk")  # so few regions take less than its limit
    by_index = Searcher(own, DrawnEncoder(), resident="disk", exact_within_ms=0.0)
    others = [
        replace(QUERIES[1], norm="zscore"),
        replace(QUERIES[0], k=101),
        Query(box=BOX),
        Query(text="a dog", zones=(BOX,)),
        Query(text="a dog", methods=("global",)),
    ]
    for searcher, queries in ((asked, QUERIES[:4]), (default, QUERIES[:4]), (by_index, others)):
        for query in queries:
            found = searcher.search(query)
            assert found.exact
            assert found.access_path == "disk"
            assert answers(found) == answers(exact.search(query))


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
    with Committer(own, plan=stored(), fold_shots=fold_shots) as committer:
        committer.upkeep.remove_sources([source(0, frames=FRAMES // 2).id])
    for query in QUERIES:
        assert all(hit.source_id != source(0, frames=1).id for hit in by_index.search(query).hits)


def test_a_filter_that_few_frames_pass_does_not_lower_the_recall(exact: Searcher, by_index: Searcher) -> None:
    queries = [Query(text=text, since=3.0, until=11.0) for text in TEXTS]
    recalls = [recall_of(by_index.search(query), exact.search(query), k=10) for query in queries]
    assert np.mean(recalls) >= 0.95


def test_a_build_that_is_killed_leaves_the_index_before_it_and_the_next_one_removes_its_files(
    own: Lake, by_index: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = answers(by_index.search(QUERIES[0]))
    add(own, 8, frames=30)
    folder = next((Path(own.uri) / KEPT).iterdir()) / INDEX
    files = {path.name for path in folder.iterdir()}

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(building, "record_index", killed)
        with pytest.raises(KeyboardInterrupt):
            tune(own, DrawnEncoder())
    assert len({path.name for path in folder.iterdir()}) == len(files) + 1
    again = Searcher(own, DrawnEncoder(), resident="disk", exact_within_ms=0.0)
    assert again.search(QUERIES[0]).access_path == "index"
    assert before  # the searcher from before answers on
    assert by_index.search(QUERIES[0]).hits
    assert tune(own, DrawnEncoder()).built
    assert len([path for path in folder.iterdir() if path.is_dir()]) == 1
    assert by_index.search(QUERIES[0]).explanation is not None
    assert not tune(own, DrawnEncoder()).built  # nearly all regions are in it


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
            (held / "box").unlink()
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

    building_save = building.save_coarse
    monkeypatch.setattr(building, "save_coarse", forgotten)
    with pytest.raises(LakeError, match="replaced"):
        tune(own, DrawnEncoder())


def test_an_index_of_columns_that_another_process_made_is_used_as_soon_as_they_are_taken_over(own: Lake) -> None:
    """A service looks at the lake once in a while: the index may be there before it has the columns."""
    behind = Searcher(own, DrawnEncoder(), resident="disk", exact_within_ms=0.0, max_age_s=1e6)
    assert behind.search(QUERIES[0]).access_path == "index"
    add(own, 8, frames=30)
    assert tune(Lake.open(own.uri), DrawnEncoder()).built  # with rows that `behind` does not have
    found = behind.search(QUERIES[0])
    assert found.exact
    assert found.explanation is not None
    assert "not read yet" in found.explanation.why
    behind.refresh()
    assert behind.search(QUERIES[0]).access_path == "index"

    with Committer(own, plan=stored(), fold_shots=fold_shots) as committer:
        committer.upkeep.remove_sources([source(number, frames=FRAMES // 2).id for number in (0, 1)])
    add(own, 9, frames=60)
    assert tune(Lake.open(own.uri), DrawnEncoder()).built  # of columns that began again
    assert behind.search(QUERIES[0]).exact
    behind.refresh()
    assert behind.search(QUERIES[0]).access_path == "index"


def test_rows_that_an_index_has_keep_their_numbers_over_a_start_of_the_machine(own: Lake) -> None:
    """Only what was synced counts after it, and what is read again then may lie in another order."""
    add(own, 8, frames=12)  # too few for a sync of the columns alone
    Searcher(own, DrawnEncoder(), resident="disk").close()
    assert tune(own, DrawnEncoder()).built
    folder = next((Path(own.uri) / KEPT).iterdir())
    covered = json.loads((folder / INDEX / "index.json").read_text())["covered"]
    assert json.loads((folder / "durable.json").read_text())["tables"]["regions"]["size"] >= covered


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


@given(st.integers(0, 2**16))
def test_compact_boxes_overlap_whatever_the_boxes_overlap(seed: int) -> None:
    corners = np.random.default_rng(seed).uniform(size=(50, 2, 2)).astype(np.float32)
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    steps = compact(boxes).astype(np.float64)
    wide = boxes.astype(np.float64) * BOX_STEPS
    assert (steps[:, :2] <= wide[:, :2]).all()
    assert (steps[:, 2:] >= wide[:, 2:]).all()
    assert np.abs(steps - wide).max() < 1
