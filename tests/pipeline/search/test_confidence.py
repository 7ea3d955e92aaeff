"""Confidence: catches hits with less of it than was wanted, hits that are missing, and confidences that mean nothing.

Against brute force: the definition for every region and frame, over rows read back from a real lake.
"""

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operators.encoders.calibration import QueryKind
from operators.ranking.geometry import geometric_distance
from pipeline.lake.lake import Lake
from pipeline.search.candidates import _FIRST_CHUNK
from pipeline.search.searcher import Searcher
from schemas.boxes import Boxes
from schemas.errors import QueryError
from schemas.query import CONFIDENT_METHODS, Hit, MethodName, Normalisation, Query, WeightedMethod
from tests.pipeline.search.drawn import CalibratedEncoder, DrawnEncoder, compared_at_a_place

BOX = (0.2, 0.3, 0.6, 0.8)
ENCODER = CalibratedEncoder()


MADE = ENCODER.calibration


def vector_of(text: str) -> np.ndarray:
    return ENCODER.encode_texts([text])[0].astype(np.float64)


def log_odds(row: "Row", query: np.ndarray, kind: QueryKind = "words") -> float:
    w = MADE.weights[kind, "frame" if row.region == "~" else "region"]

    def partition(v: np.ndarray) -> float:
        pairs = zip(MADE.shares, MADE.nouns, strict=True)
        return math.log(sum(float(share) * math.exp(MADE.scale * float(noun @ v)) for share, noun in pairs))

    cosine = float(row.vector @ query)
    return w.offset + w.cosine * cosine - w.region * partition(row.vector) - w.query * partition(query)


def sure(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))


@dataclass(frozen=True, eq=False)
class Row:
    """A candidate: its frame, its region ("~" for the whole frame), its box and its vector."""

    frame: str
    region: str
    box: tuple[float, float, float, float]
    vector: np.ndarray
    at_a_place: bool
    score: float = 0.3  # where it is on the common scale; else that of a typical region

    @cache  # noqa: B019  # the rows live as long as the module
    def chance(self, text: str) -> float:
        """The chance that it shows what the text says."""
        return sure(log_odds(self, vector_of(text)))


@pytest.fixture(scope="module")
def rows(random_lake: Lake) -> list[Row]:
    found = [
        Row(
            r["frame"],
            r["id"],
            (r["x0"], r["y0"], r["x1"], r["y1"]),
            np.array(r["vector"], np.float64),
            compared_at_a_place(r["proposer"]),
            r["score"] if r["proposer"] == "moving" else 0.3,
        )
        for r in random_lake.read("regions").to_pylist()
    ]
    frames = random_lake.read("frames").to_pylist()
    return found + [Row(f["id"], "~", (0.0, 0.0, 1.0, 1.0), np.array(f["vector"], np.float64), False) for f in frames]


@pytest.fixture(scope="module")
def searcher(random_lake: Lake) -> Searcher:
    return Searcher(random_lake, ENCODER)


def confidence(row: Row, query: Query) -> float:
    assert query.text is not None
    return row.chance(query.text) * math.prod(1 - row.chance(text) for text in query.not_text)


def ranked(rows: list[Row], query: Query) -> list[tuple[float, str, str, float]]:
    """(distance, frame, region, confidence) of the best k by the definition: the nearest place of each frame that has
    the confidence, at the distance that it has without one."""
    assert query.text is not None
    vector = vector_of(query.text)
    if query.not_text:
        vector = vector - query.not_weight * np.mean([vector_of(text) for text in query.not_text], axis=0)
    vector = vector.astype(np.float32).astype(np.float64)
    rows = [r for r in rows if query.box is None or (r.at_a_place and overlaps(r.box, query.box))]
    distance = np.array([float(np.float32(1 - r.vector @ vector)) for r in rows])
    if query.box is not None and rows:
        boxes = Boxes(np.array([r.box for r in rows], np.float32))
        place = geometric_distance(boxes, Boxes(np.array([query.box])), geometry=query.geometry).astype(np.float64)
        w = query.weight
        distance = w * scaled(distance, query.norm) + (1 - w) * scaled(place, query.norm)
        distance += query.prior * (0.3 - np.array([r.score for r in rows]))
    best: dict[str, tuple[float, str, str, float]] = {}
    for row, d in zip(rows, distance, strict=True):
        certain = confidence(row, query)
        if query.min_confidence is None or np.float32(certain) >= query.min_confidence:
            mine = (float(np.float32(d)), row.frame, row.region, certain)
            best[row.frame] = min(mine, best.get(row.frame, mine))
    return sorted(best.values())[: query.k]


def overlaps(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    b = tuple(np.float32(b).tolist())
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


def scaled(x: np.ndarray, norm: Normalisation) -> np.ndarray:
    return (x - x.min()) / (np.ptp(x) or 1.0) if norm == "minmax" else x


def require_equal(hits: tuple[Hit, ...], expected: list[tuple[float, str, str, float]]) -> None:
    assert [(h.frame_id, h.place.region_id or "~") for h in hits] == [(f, region) for _, f, region, _ in expected]
    np.testing.assert_allclose([h.distance for h in hits], [d for d, _, _, _ in expected], atol=2e-6)
    np.testing.assert_allclose([h.confidence or 0.0 for h in hits], [c for _, _, _, c in expected], atol=2e-6)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.sampled_from(["a dog", "a cat", "a tie", "nothing"]),
    not_text=st.sampled_from([(), ("a bus",), ("a bus", "a car")]),
    box=st.none() | st.just(BOX),
    weight=st.floats(0, 1),
    norm=st.sampled_from(["raw", "minmax"]),
    k=st.integers(1, 120),
    least=st.none() | st.floats(0, 1),
)
def test_hits_are_all_that_have_the_confidence_and_no_other(
    searcher: Searcher,
    rows: list[Row],
    text: str,
    not_text: tuple[str, ...],
    box: Any,
    weight: float,
    norm: Normalisation,
    k: int,
    least: float | None,
) -> None:
    query = Query(text=text, not_text=not_text, box=box, weight=weight, norm=norm, k=k, min_confidence=least)
    hits = searcher.search(query).hits
    every = {(frame, region): (d, c) for d, frame, region, c in ranked(rows, replace(query, k=1000))}
    expected = ranked(rows, query)
    # two roundings of one sum may order two frames of nearly one distance differently: then both distances must agree
    assert len(hits) == len(expected)
    for hit, (distance, _, _, _) in zip(hits, expected, strict=True):
        own = every[hit.frame_id, hit.place.region_id or "~"]
        assert (hit.distance, hit.confidence) == pytest.approx(own, abs=2e-6)
        assert hit.distance == pytest.approx(distance, abs=2e-6)
        assert least is None or (hit.confidence or 0.0) >= least


@pytest.mark.parametrize("least", [0.0, 0.1, 0.5, 0.9])
def test_more_confidence_gives_a_part_of_the_frames(searcher: Searcher, rows: list[Row], least: float) -> None:
    query = Query(text="a dog", k=1000, min_confidence=least)
    require_equal(searcher.search(query).hits, ranked(rows, query))
    fewer = searcher.search(replace(query, min_confidence=min(1.0, least + 0.05))).hits
    assert {hit.frame_id for hit in fewer} <= {hit.frame_id for hit in searcher.search(query).hits}


def test_a_confidence_that_was_printed_is_a_limit_that_its_hit_meets(searcher: Searcher) -> None:
    for hit in searcher.search(Query(text="a dog", k=20)).hits:
        query = Query(text="a dog", k=100, min_confidence=hit.confidence)
        assert hit.frame_id in {each.frame_id for each in searcher.search(query).hits}


def test_hits_beyond_the_first_chunks_are_found(searcher: Searcher, rows: list[Row], monkeypatch: Any) -> None:
    assert len(rows) < _FIRST_CHUNK  # so all others are found in one chunk
    monkeypatch.setattr("pipeline.search.candidates._FIRST_CHUNK", 2)
    for least in (0.2, 0.6, 0.8):
        for k in (1, 3, 40, 1000):
            query = Query(text="a cat", k=k, min_confidence=least)
            require_equal(searcher.search(query).hits, ranked(rows, query))


@pytest.mark.parametrize("least", [None, 0.3, 0.7])
def test_vectors_held_as_bytes_give_the_confidences_of_the_stored_ones(
    random_lake: Lake, searcher: Searcher, least: float | None
) -> None:
    held = Searcher(random_lake, ENCODER, resident="int8")
    for methods in (("regions",), ("regions", "global")):
        query = Query(text="a cat", methods=methods, k=30, min_confidence=least)
        assert held.search(query).hits == searcher.search(query).hits


def test_a_picture_is_calibrated_as_a_picture(searcher: Searcher, rows: list[Row]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    vector = ENCODER.encode_images([pixels])[0].astype(np.float64)
    by_place = {(r.frame, r.region): r for r in rows}
    for hit in searcher.search(Query(image=pixels, k=10)).hits:
        odds = log_odds(by_place[hit.frame_id, hit.place.region_id or "~"], vector, "picture")
        assert hit.confidence == pytest.approx(sure(odds), abs=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_words_and_a_picture_have_the_weighted_mean_of_their_log_odds(
    searcher: Searcher, rows: list[Row], share: float
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    picture, words = ENCODER.encode_images([pixels])[0].astype(np.float64), vector_of("a dog")
    by_place = {(r.frame, r.region): r for r in rows}
    query = Query(text="a dog", image=pixels, text_weight=share, k=100)
    hits = searcher.search(query).hits
    for hit in hits:
        region = by_place[hit.frame_id, hit.place.region_id or "~"]
        odds = share * log_odds(region, words) + (1 - share) * log_odds(region, picture, "picture")
        assert hit.confidence == pytest.approx(sure(odds), abs=1e-6)
    limit = float(np.median([hit.confidence or 0.0 for hit in hits]))
    confident = searcher.search(replace(query, min_confidence=limit)).hits
    assert len(confident) > 0
    assert all((hit.confidence or 0.0) >= limit for hit in confident)


def test_both_parts_of_a_sequence_have_the_confidence(searcher: Searcher, rows: list[Row]) -> None:
    by_place = {(r.frame, r.region): r for r in rows}
    limit = 0.3
    query = Query(text="a dog", then="a cat", within_s=60, k=100)
    every, hits = searcher.search(query).hits, searcher.search(replace(query, min_confidence=limit)).hits
    assert any((hit.confidence or 0.0) < limit for hit in every)
    assert hits
    for hit in hits:
        assert hit.then is not None
        for each, text in ((hit, "a dog"), (hit.then, "a cat")):
            odds = log_odds(by_place[each.frame_id, each.place.region_id or "~"], vector_of(text))
            assert each.confidence == pytest.approx(sure(odds), abs=1e-6)
            assert (each.confidence or 0.0) >= limit


def test_fused_methods_find_places_with_the_confidence(searcher: Searcher) -> None:
    methods = (WeightedMethod("regions"), WeightedMethod("global", 0.5))
    hits = searcher.search(Query(text="a dog", methods=methods, min_confidence=0.4, k=100)).hits
    assert hits
    assert all((hit.confidence or 0.0) >= 0.4 for hit in hits)
    one = searcher.search(Query(text="a dog", methods=("global",), min_confidence=0.4, k=100)).hits
    assert {hit.place.proposer for hit in one} == {"frame"}
    assert {hit.frame_id for hit in one} <= {hit.frame_id for hit in hits}


def test_a_box_alone_and_a_model_without_calibration_have_no_confidence(random_lake: Lake, searcher: Searcher) -> None:
    assert {hit.confidence for hit in searcher.search(Query(box=BOX)).hits} == {None}
    plain = Searcher(random_lake, DrawnEncoder())
    assert {hit.confidence for hit in plain.search(Query(text="a dog")).hits} == {None}
    with pytest.raises(QueryError, match="synthetic@1 has no calibration"):
        plain.search(Query(text="a dog", min_confidence=0.5))
    with pytest.raises(QueryError, match="a box alone"):
        Query(box=BOX, min_confidence=0.5)


@pytest.mark.parametrize("method", sorted({*get_args(MethodName)} - {*CONFIDENT_METHODS}))
def test_methods_whose_hits_have_no_confidence_refuse_a_limit(method: Any) -> None:
    with pytest.raises(QueryError, match=f"hits of {method} have no confidence"):
        Query(text="a dog", methods=("regions", method), min_confidence=0.5)


@pytest.mark.parametrize("bad", [-0.1, 1.5, float("nan")])
def test_a_limit_is_a_chance(bad: float) -> None:
    with pytest.raises(QueryError, match="min_confidence"):
        Query(text="a dog", min_confidence=bad)
