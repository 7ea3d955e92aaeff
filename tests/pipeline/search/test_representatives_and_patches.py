"""Catches searches among representatives, patches and matching regions that differ from brute force over the stored
rows, return wrong places, miss what was just committed, or answer for a lake that lacks the columns they need."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from operators.masks.rle import decode_mask
from operators.patch_matching.correlation import correlate
from operators.patch_matching.pyramid import roi_pyramid
from operators.patch_matching.region_match import match_region
from operators.patch_matching.roi import roi_patches
from operators.patch_matching.voting import votes
from pipeline.lake.audit.check import check
from pipeline.lake.audit.lake_status import status
from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.search.searcher import Searcher
from schemas.boxes import Boxes
from schemas.errors import QueryError
from schemas.patches import cell_boxes
from schemas.query import Hit, MethodName, Query, WeightedMethod
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots, stored
from tests.pipeline.search.coloured import COLS, ROWS, ColourEncoder, add_coloured, picture, stored_grid

BOX = (0.2, 0.3, 0.6, 0.8)
ROI = (0.25, 1 / 3, 0.75, 1.0)  # four by four cells


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Two sources of 20 frames; the second in two segments."""
    made = Lake.create_or_open(str(tmp_path_factory.mktemp("lakes") / "coloured"), SPACE)
    with Committer(made, plan=stored(), fold_shots=fold_shots) as committer:
        add_coloured(committer, World(1))
        add_coloured(committer, World(2), pieces=2)
    return made


@pytest.fixture(scope="module")
def searcher(lake: Lake) -> Searcher:
    return Searcher(lake, ColourEncoder())


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A frame of the lake, as a picture file."""
    path = tmp_path_factory.mktemp("pictures") / "query.png"
    Image.fromarray(picture(1, 35)).save(path)
    return str(path)


def by(*methods: MethodName) -> tuple[WeightedMethod, ...]:
    return tuple(WeightedMethod(method) for method in methods)


def boxed_rows(lake: Lake, method: MethodName) -> list[tuple[str, list[float], list[float]]]:
    """Frame, vector and box of everything that a method ranks, by the tables."""
    found = []
    if method != "patches":
        for row in lake.read("frames").to_pylist():
            found += [(row["id"], v, b) for v, b in zip(row["parts"], row["part_boxes"], strict=True)]
            if method == "representatives-global":
                found.append((row["id"], row["vector"], [0, 0, 1, 1]))
    else:
        boxes = cell_boxes(rows=ROWS, cols=COLS).xyxy.tolist()
        for row in lake.read("patches").to_pylist():
            found += [(row["frame"], v, b) for v, b in zip(row["vectors"], boxes, strict=True)]
    return found


def iou(a: list[float], b: tuple[float, ...]) -> float:
    shared = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


@pytest.mark.parametrize("method", ["representatives", "representatives-global", "patches"])
@pytest.mark.parametrize("box", [None, BOX])
def test_frames_are_as_near_as_the_nearest_of_their_vectors(
    lake: Lake, searcher: Searcher, method: MethodName, box: tuple[float, float, float, float] | None
) -> None:
    text = ColourEncoder().encode_texts(["a dog"])[0].astype(np.float64)
    nearest: dict[str, float] = {}
    for frame, vector, where in boxed_rows(lake, method):
        distance = 1 - float(np.dot(np.array(vector, np.float64), text))
        if box is not None:
            overlap = iou(where, box)
            if overlap <= 1e-9:
                continue
            distance = 0.3 * distance + 0.7 * (1 - overlap)
        nearest[frame] = min(distance, nearest.get(frame, np.inf))
    query = Query(text="a dog", box=box, k=40, methods=by(method), weight=0.3)
    hits = searcher.search(query).hits
    assert [hit.distance for hit in hits] == pytest.approx(sorted(nearest.values()), abs=1e-5)
    assert {hit.frame_id: hit.distance for hit in hits} == pytest.approx(nearest, abs=1e-5)
    boxes = {(frame, tuple(np.float32(where).tolist())) for frame, _, where in boxed_rows(lake, method)}
    assert all((hit.frame_id, hit.place.box) in boxes for hit in hits)


def test_what_is_committed_later_is_found(tmp_path: Path) -> None:
    lake = Lake.create_or_open(str(tmp_path / "lake"), SPACE)
    searcher = Searcher(lake, ColourEncoder())
    query = Query(text="a dog", k=100, methods=by("representatives"))
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as committer:
        add_coloured(committer, World(1))
        before = searcher.search(query).hits
        add_coloured(committer, World(2), pieces=2)
    after = searcher.search(query).hits
    fresh = Searcher(lake, ColourEncoder()).search(query).hits
    assert (len(before), len(after)) == (20, 40)
    assert [(h.frame_id, h.distance, h.place.box) for h in after] == [
        (h.frame_id, h.distance, h.place.box) for h in fresh
    ]
    assert not list(check(lake).problems)
    assert status(lake).vector_bytes == {"frames": 32, "parts": 4 * 32, "regions": 6 * 32, "patches": 48 * 32}


@pytest.mark.parametrize("roi", [ROI, None])
def test_growing_finds_the_part_of_a_frame_in_that_frame(
    searcher: Searcher, image: str, roi: tuple[float, float, float, float] | None
) -> None:
    hit = searcher.search(Query(image=image, roi=roi, methods=by("growing"), k=1)).hits[0]
    assert (hit.source.endswith("clip-1.mp4"), hit.pts) == (True, 35)
    assert hit.place.box == pytest.approx(roi or (0, 0, 1, 1))
    assert hit.place.mask is not None
    assert (hit.place.mask.width_px, hit.place.mask.height_px) == (64, 48)
    x0, y0, x1, y1 = (int(side) for side in np.array(hit.place.box) * [64, 48, 64, 48])
    assert decode_mask(hit.place.mask)[y0:y1, x0:x1].all()
    assert hit.place.mask.area_px == (x1 - x0) * (y1 - y0)


def by_frame(hits: tuple[Hit, ...]) -> dict[str, float]:
    return {hit.frame_id: hit.distance for hit in hits}


def test_votes_and_growing_rank_the_nearest_frames_by_the_stored_patches(
    lake: Lake, searcher: Searcher, image: str
) -> None:
    first = searcher.search(Query(image=image, roi=ROI, methods=by("global"), k=12)).hits
    stored = {row["frame"]: stored_grid(row) for row in lake.read("patches").to_pylist()}
    targets = [stored[hit.frame_id] for hit in first]
    roi, shown = Boxes(np.array([ROI], np.float32)), picture(1, 35)
    encoder = ColourEncoder()
    query = Query(image=image, roi=ROI, candidates=12, k=100)

    grown = match_region(roi_pyramid(encoder, shown, roi), targets)
    expected = {h.frame_id: 1 + n / 12 for n, h in enumerate(first, start=1)}  # as they stood, where nothing matches
    expected |= {h.frame_id: 1 - m.score for h, m in zip(first, grown, strict=True) if m is not None}
    answer = searcher.search(replace(query, methods=by("growing")))
    assert by_frame(answer.hits) == pytest.approx(expected, abs=1e-5)
    assert not answer.exact
    assert searcher.search(replace(query, methods=by("growing"), candidates=1000)).exact

    patches = roi_patches(roi_pyramid(encoder, shown, Boxes(np.array([[0, 0, 1, 1]])))[0].patches, roi).flat()
    for method, kind in (("votes", "majority"), ("votes-weighted-unique", "weighted-unique")):
        cast = votes(patches, targets, kind=kind)
        hits = searcher.search(replace(query, methods=by(method))).hits
        expected = {h.frame_id: 1 + n / 12 for n, h in enumerate(first, start=1)}
        expected |= {h.frame_id: 1 - n / cast.sum() for h, n in zip(first, cast.tolist(), strict=True) if n > 0}
        assert by_frame(hits) == pytest.approx(expected, abs=1e-5)


def test_correlation_ranks_the_nearest_frames_by_their_best_place_and_by_themselves(
    lake: Lake, searcher: Searcher, image: str
) -> None:
    first = searcher.search(Query(image=image, roi=ROI, methods=by("global"), k=12)).hits
    stored = {row["frame"]: stored_grid(row) for row in lake.read("patches").to_pylist()}
    levels = roi_pyramid(ColourEncoder(), picture(1, 35), Boxes(np.array([ROI], np.float32)))
    matches = correlate(levels, [stored[hit.frame_id] for hit in first])
    expected = {h.frame_id: (1 - m.score + h.distance) / 2 for h, m in zip(first, matches, strict=True)}
    answer = searcher.search(Query(image=image, roi=ROI, candidates=12, k=100, methods=by("correlation")))
    assert by_frame(answer.hits) == pytest.approx(expected, abs=1e-5)
    every = Query(image=image, roi=ROI, candidates=1000, k=100, methods=by("correlation"))
    (own,) = [h for h in searcher.search(every).hits if h.source.endswith("clip-1.mp4") and h.pts == 35]
    assert own.place.box == pytest.approx(ROI)
    assert own.place.mask is not None
    whole = by_frame(searcher.search(replace(every, methods=by("global"))).hits)
    assert own.distance == pytest.approx(whole[own.frame_id] / 2, abs=1e-3)  # it fits itself


def test_together_with_others_growing_says_where(searcher: Searcher, image: str) -> None:
    query = Query(image=image, roi=ROI, methods=by("global", "growing", "votes"), k=40)
    (own,) = [hit for hit in searcher.search(query).hits if hit.source.endswith("clip-1.mp4") and hit.pts == 35]
    assert own.place.box == pytest.approx(ROI)
    assert own.place.mask is not None
    assert own.rank <= 3


def test_a_lake_without_parts_or_patches_says_how_to_make_one_that_has_them(random_lake: Lake, image: str) -> None:
    searcher = Searcher(random_lake, ColourEncoder())
    with pytest.raises(QueryError, match=r"representatives.method=kmeans"):
        searcher.search(Query(text="a dog", methods=by("representatives")))
    for method in ("patches", "votes", "growing"):
        with pytest.raises(QueryError, match="--set patches=true"):
            searcher.search(Query(image=image, methods=by(method)))


def test_words_have_no_patches_to_match(searcher: Searcher) -> None:
    with pytest.raises(QueryError, match="patches of a picture; give one"):
        searcher.search(Query(text="a dog", methods=by("growing")))
    with pytest.raises(QueryError, match="ranks by meaning"):
        searcher.search(Query(box=BOX, methods=by("representatives")))


def test_patches_of_another_model_are_refused(lake: Lake, image: str) -> None:
    other = ColourEncoder(replace(SPACE, revision="2"))
    searcher = Searcher(lake, ColourEncoder())
    object.__setattr__(searcher._state, "encoder", other)
    for method in ("representatives", "patches", "growing"):
        with pytest.raises(QueryError, match="--model synthetic"):
            searcher.search(Query(image=image, methods=by(method)))
