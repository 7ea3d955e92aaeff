"""Catches hits that are not the exact top k: against brute force over rows read back from a real lake."""

from dataclasses import replace
from functools import cache
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operators.ranking.geometry import geometric_distance
from operators.ranking.zones import share_inside
from pipeline.lake.lake import Lake
from pipeline.search.memory.resident import Resident
from pipeline.search.searcher import Searcher
from schemas.boxes import Boxes
from schemas.query import Geometry, Hit, Normalisation, Query, Ranking
from schemas.zones import Zone
from tests.pipeline.search.drawn import DrawnEncoder, compared_at_a_place

GEOMETRIES: tuple[Geometry, ...] = get_args(Geometry)
NORMALISATIONS: tuple[Normalisation, ...] = get_args(Normalisation)
BOX = (0.2, 0.3, 0.6, 0.8)


class BruteForce:
    """The definition of the ranking, candidate by candidate, over whole rows."""

    def __init__(self, lake: Lake) -> None:
        frames = lake.read("frames").to_pylist()
        by_id = {f["id"]: f for f in frames}
        self.rows: list[dict[str, Any]] = [
            r | {"box": (r["x0"], r["y0"], r["x1"], r["y1"]), "place": by_id[r["frame"]]}
            for r in lake.read("regions").to_pylist()
        ]
        whole = {"box": (0.0, 0.0, 1.0, 1.0), "proposer": "frame"}
        self.rows += [whole | {"id": "~", "place": f, "vector": f["vector"]} for f in frames]

    def rank(self, query: Query, vector: np.ndarray | None) -> list[tuple[float, str, str]]:
        """(distance, frame id, region id) of the top k; "~" for the whole frame."""
        return self._ranked(query, None if vector is None else vector.astype(np.float64).tobytes())

    @cache  # noqa: B019  # each way to hold vectors is asked the same
    def _ranked(self, query: Query, vector: bytes | None) -> list[tuple[float, str, str]]:
        rows = [r for r in self.rows if self._passes(r, query)]
        if not rows:
            return []
        semantic = geometric = None
        if vector is not None:
            semantic = [self._semantic(r, vector) for r in rows]
        if areas_of(query):
            geometric = [self._outside(r, query) for r in rows]
        elif query.box is not None:
            one = Boxes(np.array([query.box]))
            boxes = Boxes(np.array([r["box"] for r in rows]))
            geometric = [float(d) for d in geometric_distance(boxes, one, geometry=query.geometry)]
        fused = self._fused(semantic, geometric, query.ranking)
        if semantic is not None and geometric is not None:
            fused = [f + query.prior * self._typical_less(r) for f, r in zip(fused, rows, strict=True)]
        best: dict[str, tuple[float, str]] = {}
        for row, distance in zip(rows, fused, strict=True):
            mine = (distance, row["id"])
            best[row["place"]["id"]] = min(mine, best.get(row["place"]["id"], mine))
        return sorted((distance, frame, region) for frame, (distance, region) in best.items())[: query.k]

    @cache  # noqa: B019  # the rows live as long as the module
    def _semantic_of_all(self, vector: bytes) -> dict[str, float]:
        """By id of the region, or of the frame for the whole of it."""
        query = np.frombuffer(vector, np.float64).tolist()
        dots = {
            self._key(r): sum(a * b for a, b in zip(map(float, r["vector"]), query, strict=True)) for r in self.rows
        }
        return {key: float(np.float32(1 - dot)) for key, dot in dots.items()}

    def _semantic(self, row: dict[str, Any], vector: bytes) -> float:
        return self._semantic_of_all(vector)[self._key(row)]

    @staticmethod
    def _key(row: dict[str, Any]) -> str:
        return str(row["place"]["id"] if row["id"] == "~" else row["id"])

    @staticmethod
    def _passes(row: dict[str, Any], query: Query) -> bool:
        frame = row["place"]
        zones = own_zones(row, query)
        if areas_of(query) and not zones and not query.by_meaning:
            return False
        if (query.box is not None or zones) and not compared_at_a_place(row["proposer"]):
            return False
        if zones and max(share_of(row, zone) for zone in zones) < max(query.min_inside, 1e-12):
            return False
        if query.box is not None:
            x0, y0, x1, y1 = row["box"]
            a0, b0, a1, b1 = np.float32(query.box).tolist()
            if min(x1, a1) - max(x0, a0) <= 0 or min(y1, b1) - max(y0, b0) <= 0:
                return False
        return (
            (query.source is None or query.source in frame["source"])
            and (not isinstance(query.since, float) or frame["pts_s"] >= query.since)
            and (not isinstance(query.until, float) or frame["pts_s"] < query.until)
        )

    @staticmethod
    def _typical_less(row: dict[str, Any]) -> float:
        """0.3 less the score, where it is on the common scale."""
        return 0.3 - float(row["score"]) if row["proposer"] in ("objects", "moving") else 0.0

    @staticmethod
    def _outside(row: dict[str, Any], query: Query) -> float:
        return 1 - max((share_of(row, zone) for zone in own_zones(row, query)), default=1.0)

    @staticmethod
    def _fused(semantic: list[float] | None, geometric: list[float] | None, ranking: Ranking) -> list[float]:
        if semantic is None or geometric is None:
            return semantic or geometric or []

        def normalised(values: list[float]) -> np.ndarray:
            x = np.array(values)
            match ranking.normalisation:
                case "raw":
                    return x
                case "minmax":
                    return (x - x.min()) / (np.ptp(x) or 1.0)
                case "zscore":
                    return (x - x.mean()) / (x.std() if np.ptp(x) else 1.0)
                case "rrf":
                    return -61.0 / (61 + np.array([(x < v).sum() for v in x]))

        w = ranking.semantic_weight
        fused = w * normalised(semantic) + (1 - w) * normalised(geometric)
        return [float(np.float32(f + (ranking.normalisation == "rrf"))) for f in fused]


@cache
def areas_of(query: Query) -> tuple[Zone, ...]:
    """`query.areas`, checked once and not for every row."""
    return query.areas


def own_zones(row: dict[str, Any], query: Query) -> list[Zone]:
    return [zone for zone in areas_of(query) if zone.source is None or zone.source in row["place"]["source"]]


def share_of(row: dict[str, Any], zone: Zone) -> float:
    return _share(row["box"], zone)


@cache
def _share(box: tuple[float, float, float, float], zone: Zone) -> float:
    return float(share_inside(Boxes([box]), zone)[0])


@pytest.fixture(scope="module")
def brute_force(random_lake: Lake) -> BruteForce:
    return BruteForce(random_lake)


@pytest.fixture(scope="module", params=get_args(Resident))
def searcher(random_lake: Lake, request: pytest.FixtureRequest) -> Searcher:
    return Searcher(random_lake, DrawnEncoder(), resident=request.param)


def require_equal(hits: tuple[Hit, ...], expected: list[tuple[float, str, str]]) -> None:
    """The same frames and regions in the same order; distances to a few units of float32."""
    assert [(h.frame_id, h.place.region_id or "~") for h in hits] == [(frame, region) for _, frame, region in expected]
    np.testing.assert_allclose([h.distance for h in hits], [d for d, _, _ in expected], atol=2e-6)
    assert [h.rank for h in hits] == list(range(1, len(hits) + 1))


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_text_and_box(
    searcher: Searcher, brute_force: BruteForce, geometry: Geometry, normalisation: Normalisation
) -> None:
    for weight in (0.0, 0.3, 0.5, 1.0):
        query = Query(text="a dog", box=BOX, k=15, weight=weight, geometry=geometry, norm=normalisation)
        require_equal(searcher.search(query).hits, brute_force.rank(query, DrawnEncoder().encode_texts(["a dog"])[0]))


@pytest.mark.parametrize("k", [1, 7, 100, 1000])
def test_text_alone(searcher: Searcher, brute_force: BruteForce, k: int) -> None:
    query = Query(text="a cat", k=k)
    require_equal(searcher.search(query).hits, brute_force.rank(query, DrawnEncoder().encode_texts(["a cat"])[0]))


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_box_alone(searcher: Searcher, brute_force: BruteForce, geometry: Geometry) -> None:
    query = Query(box=BOX, k=100, geometry=geometry)
    result = searcher.search(query)
    require_equal(result.hits, brute_force.rank(query, None))
    assert all(h.place.semantic is None and h.place.geometric == h.distance for h in result.hits)


def test_sources_that_look_the_same_tie_and_are_ordered_by_id(searcher: Searcher) -> None:
    hits = searcher.search(Query(text="a tie", k=100)).hits
    twins = [h for h in hits if h.source.endswith(("clip-3.mp4", "clip-4.mp4"))]
    assert len(twins) == 40
    for a, b in zip(twins[::2], twins[1::2], strict=True):
        assert (a.distance, a.pts, a.place.box) == (b.distance, b.pts, b.place.box)
        assert a.frame_id < b.frame_id


LEFT, ELL, CAM0 = Zone.parse("0,0,.5,1"), Zone.parse("0,0 1,0 1,.5 .5,.5 .5,1 0,1"), Zone.parse("cam0=.3,0 1,.2 .6,1")
CAM1, CLIP4 = Zone.parse("cam1=.1,.1,.9,.9"), Zone.parse("clip-4=0,.5 1,.4 1,.9")


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
@pytest.mark.parametrize("zones", [(LEFT,), (ELL,), (ELL, CAM0), (CAM0, CAM1), (CLIP4,)])
@pytest.mark.parametrize("text", ["a dog", None])
def test_zones(
    searcher: Searcher,
    brute_force: BruteForce,
    text: str | None,
    zones: tuple[Zone, ...],
    normalisation: Normalisation,
) -> None:
    vector = None if text is None else DrawnEncoder().encode_texts([text])[0]
    for weight, least in ((0.5, 0.5), (0.0, 0.8), (1.0, 0.0)):
        query = Query(text=text, zones=zones, weight=weight, min_inside=least, k=25, norm=normalisation)
        require_equal(searcher.search(query).hits, brute_force.rank(query, vector))


side = st.floats(0, 1, width=32)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.none() | st.text(min_size=1, max_size=4).filter(str.strip),
    xs=st.tuples(side, side).map(sorted).filter(lambda x: x[1] - x[0] > 1e-3),
    ys=st.tuples(side, side).map(sorted).filter(lambda y: y[1] - y[0] > 1e-3),
    k=st.integers(1, 120),
    ranking=st.fixed_dictionaries(
        {
            "weight": st.floats(0, 1),
            "geometry": st.sampled_from(GEOMETRIES),
            "norm": st.sampled_from(NORMALISATIONS),
            "prior": st.floats(0, 1),
        }
    ),
    since=st.none() | st.floats(0, 10),
    source=st.none() | st.sampled_from(["cam0", "clip-4", "nothing"]),
    zones=st.just(()) | st.lists(st.sampled_from([LEFT, ELL, CAM0, CAM1, CLIP4]), min_size=1, max_size=3, unique=True),
    min_inside=st.floats(0, 1),
)
def test_any_query(
    searcher: Searcher,
    brute_force: BruteForce,
    text: str | None,
    xs: list[float],
    ys: list[float],
    k: int,
    ranking: dict[str, Any],
    since: float | None,
    source: str | None,
    zones: list[Zone],
    min_inside: float,
) -> None:
    box = None if zones else (xs[0], ys[0], xs[1], ys[1])
    if zones:
        ranking["geometry"] = "inside"
    query = Query(
        text=text,
        box=box,
        zones=tuple(zones),
        min_inside=min_inside,
        k=k,
        since=since,
        source=source,
        **ranking,
    )
    vector = None if text is None else DrawnEncoder().encode_texts([text])[0]
    hits = searcher.search(query).hits
    ranked = brute_force.rank(replace(query, k=1000), vector)
    every, expected = {frame: d for d, frame, _ in ranked}, ranked[:k]
    # two roundings of one sum may order two frames of nearly one distance differently: then both distances must agree
    assert len(hits) == len(expected)
    for hit, (distance, _, _) in zip(hits, expected, strict=True):
        assert hit.distance == pytest.approx(distance, abs=2e-6)
        assert every[hit.frame_id] == pytest.approx(hit.distance, abs=2e-6)
    assert len({h.frame_id for h in hits}) == len(hits)
