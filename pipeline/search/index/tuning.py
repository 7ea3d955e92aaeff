"""Builds the index of a lake, and measures against exact answers how much of it must be read."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from operators.encoders.encoder import Encoder
from pipeline.lake.lake import Lake
from pipeline.search.index.building import LEAST_REGIONS, build_index
from pipeline.search.index.chunk_files import building_alone
from pipeline.search.index.region_index import INDEX, CurvePoint, RegionIndex, Tuning, record_index
from pipeline.search.memory.lake_cache import LakeCache
from pipeline.search.memory.resident import can_keep
from pipeline.search.searcher import Searcher
from schemas.errors import InvalidValueError, LakeError, ModelError
from schemas.query import BoxTuple, Query, SearchResult
from schemas.vectors import VectorArray, VectorSpace

RECALL_TARGET = 0.99
SHARES = (0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.5)
AREAS = (0.01, 0.05, 0.25, 1.0)  # of a box, as shares of the frame
ZONES = (0.05, 0.25, 1.0)  # of a zone
_STALE = 0.1  # of the rows that the index does not have: then it is built again
_OF_LAKE = 8  # queries by regions of the lake, where there are words too
_WITHOUT_WORDS = 40
_WITH_BOX = 20
_ENOUGH = 0.995
_SEED = 21
WORDS = (
    *("a person", "a child on a bicycle", "a red car", "a white van", "a dog", "a truck", "a traffic light", "a tree"),
    *("a woman with a bag", "a group of people", "a door", "food on a table", "an animal", "a boat", "a ball", "a cat"),
    *("a sign", "a cake", "a train", "a phone", "shoes", "an airplane", "a computer", "a window", "a kitchen", "snow"),
    *("somebody who runs", "a man in black", "a fence", "flowers", "a suitcase", "a road"),
)


@dataclass(frozen=True, slots=True)
class Tuned:
    """What tuning did.

    built: whether the index was built, and not only measured again. build_s, measure_s: time of building, and of
    measuring. bytes: of its files with a row for each region.
    """

    regions: int
    built: bool
    build_s: float
    measure_s: float
    bytes: int
    tuning: Tuning


def tune(
    lake: Lake, encoder: Encoder | None, *, target: float = RECALL_TARGET, on_step: Callable[[str], None] | None = None
) -> Tuned:
    """Builds the index unless it has nearly all regions, measures its recall, and records how much of it is read.

    encoder: the lake's model, for queries by words; None for queries by regions of the lake alone. target: the recall
    that is wanted, in [0, 1]. Raises LakeError where the lake has too few regions, or lies where no columns are kept.
    """
    _require_regions(lake, lake.count("regions"))  # before columns are kept for it
    say = on_step or (lambda _: None)
    space = lake.space if encoder is None else encoder.space
    column = "vector" if encoder is None else lake.column_of(space)
    columns = LakeCache(lake, column=column, resident="disk")
    say("columns are read")
    columns.refresh()
    kept = columns.kept
    assert kept is not None
    count = int((columns.region_alive & (columns.frame >= 0)).sum())
    _require_regions(lake, count)
    began = time.perf_counter()
    index = _open(columns)
    built = index is None or _outdated(index, columns)
    if index is None or built:
        say(f"the index of {count:,} regions is built")
        index = build_index(columns, kept)
    built_s = time.perf_counter() - began
    say("its recall is measured")
    tuning = _measured(lake, encoder, columns, target=target)
    # a build of another process, whose chunks `record_index` would delete, must not be under way or have ended
    with building_alone(kept.folder / INDEX), kept.locked():
        newest = _open(columns)
        if newest is None or newest.id != index.id or not kept.is_newest("regions", index.generation):
            raise LakeError(f"the index of {lake.uri} was replaced while it was tuned; tune it again")
        record_index(kept.folder, replace(index.written(), tuning=tuning))
    return Tuned(len(index), built, built_s, time.perf_counter() - began - built_s, index.bytes, tuning)


def is_stale(lake: Lake) -> bool:
    """Whether a lake that is large enough for an index has none, or one without a tenth of its regions."""
    if lake.count("regions") < LEAST_REGIONS or not can_keep(lake):
        return False
    columns = LakeCache(lake, resident="disk")
    columns.refresh()
    index = _open(columns)
    return index is None or index.tuning is None or _outdated(index, columns)


def _outdated(index: RegionIndex, columns: LakeCache) -> bool:
    return len(columns.region_id) - index.covered > _STALE * index.covered


def _require_regions(lake: Lake, count: int) -> None:
    if count < LEAST_REGIONS:
        raise LakeError(f"{lake.uri} has {count:,} regions; an index is for {LEAST_REGIONS:,} and more")


def _open(columns: LakeCache) -> RegionIndex | None:
    """The index of these columns; None where it is of others or damaged, and is to be built again."""
    kept = columns.kept
    assert kept is not None
    try:
        index = RegionIndex.open(kept.folder, dimension=columns.dimension)
    except ValueError:  # what is damaged is replaced
        return None
    return index if index is not None and index.generation == columns.kept_generation else None


class _Asked:
    """Stands for the lake's model where queries are texts alone: each is the number of a vector that is known."""

    def __init__(self, space: VectorSpace, vectors: VectorArray) -> None:
        self.space = space
        self._vectors = vectors

    def encode_texts(self, texts: Sequence[str]) -> VectorArray:
        return self._vectors[[int(text) for text in texts]]


def _measured(lake: Lake, encoder: Encoder | None, columns: LakeCache, *, target: float) -> Tuning:
    vectors, described = _queries(encoder, columns)
    # a searcher whose queries are texts calls nothing else of its model
    asked = cast("Encoder", _Asked(lake.space if encoder is None else encoder.space, vectors))
    exact = Searcher(lake, asked, resident="disk", exact_within_ms=np.inf)
    index = Searcher(lake, asked, resident="disk")
    queries = [
        (area, query)
        for area, query in _with_boxes(columns, len(vectors))
        if not area or not index.is_answered_near(query)  # which is exact
    ]
    expected = [exact.search(query) for _, query in queries]
    costs = [answer.took_ms * 1e6 / answer.candidates for answer in expected if answer.candidates]
    points = []
    kinds = [(0.0, False), *((area, False) for area in AREAS), *((area, True) for area in ZONES)]
    for area, zone in kinds:
        for share in SHARES:
            pairs = [
                (right, index.probe_index(query, share=share))
                for (size, query), right in zip(queries, expected, strict=True)
                if (size, bool(query.zones)) == (area, zone) and right.hits
            ]
            if not pairs:
                continue
            recall = {k: statistics.fmean(recall_of(found, right, k=k) for right, found in pairs) for k in (10, 100)}
            took = statistics.median(found.took_ms for _, found in pairs)
            points.append(CurvePoint(area, share, recall[10], recall[100], took, zone))
            if min(recall.values()) >= max(target, _ENOUGH):
                break  # larger shares find it too
    for searcher in (exact, index):
        searcher.close()
    return Tuning(target, statistics.median(costs) if costs else 0.0, described, tuple(points))


def recall_of(found: SearchResult, exact: SearchResult, *, k: int) -> float:
    """The share of the first k exact hits that are among the first k found. Raises ValueError where there are none."""
    wanted = {hit.frame_id for hit in exact.hits[:k]}
    if not wanted:
        raise InvalidValueError("no hits: nothing could be found, so no recall is known")
    return len(wanted & {hit.frame_id for hit in found.hits[:k]}) / len(wanted)


def _queries(encoder: Encoder | None, columns: LakeCache) -> tuple[VectorArray, str]:
    """Vectors of words, and of regions that the lake has, moved a little: nobody asks for exactly what is there."""
    words: VectorArray | None = None
    if encoder is not None:
        try:
            words = encoder.encode_texts(WORDS)
        except ModelError:  # a model that knows no words
            words = None
    rng = np.random.default_rng(_SEED)
    count = _WITHOUT_WORDS if words is None else _OF_LAKE
    stored = columns.region_vectors
    assert isinstance(stored, np.ndarray)
    alive = np.flatnonzero(columns.region_alive & (columns.frame >= 0))
    some = stored[np.sort(rng.choice(alive, count, replace=False))].astype(np.float32)
    some += rng.normal(size=some.shape).astype(np.float32) * (0.3 / some.shape[1] ** 0.5)
    some /= np.linalg.norm(some, axis=1, keepdims=True)
    described = f"{count} regions of the lake" + ("" if words is None else f" and {len(words)} texts")
    return (some if words is None else np.concatenate([words, some])), described


def _with_boxes(columns: LakeCache, count: int) -> Iterator[tuple[float, Query]]:
    """Area of the box or zone and query: each vector anywhere, and some with boxes and zones where regions are."""
    rng = np.random.default_rng(_SEED)
    alive = np.flatnonzero(columns.region_alive)
    for number in range(count):
        yield 0.0, Query(text=str(number), k=100)
    for zone, areas in ((False, AREAS), (True, ZONES)):
        for area in areas:
            for number in rng.permutation(count)[:_WITH_BOX].tolist():
                row = rng.choice(alive)
                x0, y0, x1, y1 = (float(side[row]) for side in columns.boxes)
                box = _around((x0 + x1) / 2, (y0 + y1) / 2, area**0.5)
                query = Query(text=str(number), k=100)
                yield area, replace(query, zones=(box,)) if zone else replace(query, box=box)


def _around(x: float, y: float, side: float) -> BoxTuple:
    """A square around a point, moved into the frame."""
    left, top = (min(max(0.0, at - side / 2), 1.0 - side) for at in (x, y))
    return left, top, min(1.0, left + side), min(1.0, top + side)
