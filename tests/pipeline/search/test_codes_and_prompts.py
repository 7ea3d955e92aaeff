"""Search by prompts and by codes, over a lake that was ingested with a code model. Catches prompts that choose another
region than they point to, codes compared with those of another model, codes that are lost on the way into the lake, and
a re-ranking that is not by the vectors."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from operators.codes.config import CodesConfig
from operators.codes.features import RegionFeatures, RegionFeaturesConfig
from operators.codes.hamming import hamming_distances
from operators.codes.model import CodeModel
from operators.codes.projection import Projection
from operators.encoders.catalogue import load_encoder
from operators.encoders.everyday.encoder import EverydayEncoder
from operators.encoders.region_vectors import RegionVectorsConfig
from operators.masks.rle import mask_boxes
from operators.proposals.classical.segments import Segments, SegmentsConfig
from operators.proposals.config import ProposalConfig
from operators.proposals.windows.grid import GridConfig
from pipeline.ingest.run import ingest
from pipeline.lake.code_model import keep_code_model, load_code_model
from pipeline.lake.lake import Lake
from pipeline.lake.region_rows import masks_of
from pipeline.plan.plan import Plan
from pipeline.search.searcher import Searcher
from schemas.boxes import Boxes
from schemas.errors import LakeError, ModelError, QueryError
from schemas.frames import ImageArray, Keyframe
from schemas.query import MethodName, Query, WeightedMethod
from schemas.regions import Proposals

BY_CODES = (WeightedMethod("codes"),)
BAR = (0.65, 0.15, 0.9, 0.85)
COLOURS = ((200, 30, 30), (30, 160, 40), (40, 60, 200), (220, 200, 40), (150, 40, 160), (30, 170, 180))


def picture(number: int) -> ImageArray:
    """A disc on the left and a bar on the right, on grey; the colours differ from picture to picture."""
    image = np.full((120, 160, 3), 110 + 5 * number, np.uint8)
    y, x = np.mgrid[:120, :160]
    image[(x - 45) ** 2 + (y - 60) ** 2 < 32**2] = COLOURS[number % 6]
    image[20:100, 105:140] = COLOURS[(number + 2) % 6]
    return image


@pytest.fixture(scope="module")
def encoder() -> EverydayEncoder:
    encoder = load_encoder("everyday", threads=1)
    assert isinstance(encoder, EverydayEncoder)
    return encoder


@pytest.fixture(scope="module")
def code_model(encoder: EverydayEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directions = np.random.default_rng(0).normal(size=(256, 256)).astype(np.float32)
    path = tmp_path_factory.mktemp("codes") / "codes.safetensors"
    features = RegionFeaturesConfig(crop_px=64)
    CodeModel(Projection(directions, np.zeros(256, np.float32)), "random", encoder.space, features).save(path)
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    paths = [folder / f"{number}.png" for number in range(6)]
    for number, path in enumerate(paths):
        Image.fromarray(picture(number)).save(path)
    return paths


def plan(code_model: str) -> Plan:
    return Plan(
        proposals=ProposalConfig.of(SegmentsConfig(limit=6), GridConfig()),
        regions=RegionVectorsConfig(crop_px=64),
        codes=CodesConfig(model=code_model, regions_per_frame=2),
    )


@pytest.fixture(scope="module")
def lake(pictures: list[Path], code_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    uri = str(tmp_path_factory.mktemp("lakes") / "coded")
    report = ingest([str(path) for path in pictures], uri, plan(str(code_model)))
    assert report.ok
    return Lake.open(uri)


@pytest.fixture(scope="module")
def searcher(lake: Lake, encoder: EverydayEncoder) -> Searcher:
    return Searcher(lake, encoder, regions=RegionVectorsConfig(mode="pool", crop_px=64))


def test_the_largest_masks_of_each_frame_have_the_code_that_their_pixels_give(
    lake: Lake, encoder: EverydayEncoder, pictures: list[Path]
) -> None:
    rows = lake.read("regions").sort_by("id")
    coded = [row["code"] is not None for row in rows.to_pylist()]
    assert sum(coded) == 2 * len(pictures)
    assert {row["proposer"] for row, has in zip(rows.to_pylist(), coded, strict=True) if has} == {"segments"}
    model, masks = load_code_model(lake), masks_of(rows)
    make = RegionFeatures(model.features, encoder)
    for row in [row for row in rows.to_pylist() if row["code"] is not None][:5]:
        mask = masks[row["id"]]
        region = Proposals.of(mask_boxes([mask]), score=1.0, proposer="segments", mask=[mask])
        with Image.open(row["source"]) as shown:
            (x,) = make([np.array(shown.convert("RGB"))], [region])
        assert model(x)[0].tolist() == row["code"]


def test_a_point_on_a_file_finds_its_frame_by_codes_and_says_which_region_was_meant(
    searcher: Searcher, pictures: list[Path]
) -> None:
    query = Query(image=str(pictures[3]), points=((45 / 160, 0.5),), methods=BY_CODES, k=3)
    result = searcher.search(query)
    assert result.region is not None
    np.testing.assert_allclose(result.region, (13 / 160, 28 / 120, 78 / 160, 93 / 120), atol=0.03)
    best = result.hits[0]
    assert best.source == str(pictures[3])
    np.testing.assert_allclose(best.place.box, result.region, atol=0.03)


def test_hits_are_the_nearest_codes_in_the_order_of_their_vectors(
    lake: Lake, searcher: Searcher, encoder: EverydayEncoder, pictures: list[Path]
) -> None:
    result = searcher.search(Query(image=str(pictures[0]), prompt_box=BAR, methods=BY_CODES, candidates=3, k=100))
    found = Segments(SegmentsConfig())(Keyframe(0, picture(0), None, "picture"))
    meant = int(np.argmax(found.boxes.iou(Boxes([BAR]))[:, 0]))
    model = load_code_model(lake)
    (x,) = RegionFeatures(model.features, encoder)([picture(0)], [found.take(np.array([meant]))])
    rows = [row for row in lake.read("regions").to_pylist() if row["code"] is not None]
    distance = hamming_distances(np.array([row["code"] for row in rows], np.uint8), model(x)[0])
    limit = np.sort(distance)[2 * 3 - 1]
    near = [row for row, d in zip(rows, distance, strict=True) if d <= limit]
    (wide,) = RegionFeatures(RegionFeaturesConfig(context=1.4, crop_px=64), encoder)(
        [picture(0)], [found.take(np.array([meant]))]
    )
    vector = wide[0, :128] + wide[0, 128:]
    vector /= np.linalg.norm(vector)
    best: dict[str, float] = {}
    for row in near:
        far = 1 - float(np.array(row["vector"], np.float64) @ vector)
        best[row["frame"]] = min(best.get(row["frame"], 9.0), far)
    assert {hit.frame_id: pytest.approx(hit.distance, abs=1e-5) for hit in result.hits} == best
    assert not result.exact
    assert [hit.distance for hit in result.hits] == sorted(hit.distance for hit in result.hits)


def test_a_keyframe_of_the_lake_is_asked_by_its_own_masks(lake: Lake, searcher: Searcher) -> None:
    rows = lake.read("regions", columns=["id", "frame", "mask", "mask_area", "x0", "y0", "x1", "y1", "code"])
    row = next(r for r in rows.to_pylist() if r["code"] is not None and 0.05 < r["mask_area"] < 0.3)
    box = (row["x0"], row["y0"], row["x1"], row["y1"])
    result = searcher.search(Query(frame=row["frame"], prompt_box=box, methods=BY_CODES, k=1))
    np.testing.assert_allclose(result.region, box, atol=1e-6)
    assert result.hits[0].frame_id == row["frame"]


def test_prompts_work_with_every_method(searcher: Searcher, pictures: list[Path]) -> None:
    points = ((45 / 160, 0.5),)
    asked: tuple[tuple[MethodName, ...], ...] = (("regions",), ("global",), ("regions", "codes"))
    for methods in asked:
        result = searcher.search(Query(image=str(pictures[2]), points=points, methods=methods, k=6))
        assert len(result.hits) == 6 or methods[-1] == "codes"
    assert searcher.search(Query(image=str(pictures[2]), points=points, prompt="a ball", k=1)).region is not None


def test_filters_hold_for_codes(searcher: Searcher, pictures: list[Path]) -> None:
    points = ((45 / 160, 0.5),)
    right = Query(image=str(pictures[0]), points=points, methods=BY_CODES, box=(0.6, 0.1, 0.95, 0.9), source="4.png")
    hits = searcher.search(right).hits
    assert [hit.source for hit in hits] == [str(pictures[4])]
    assert hits[0].place.box[2] > 0.6


def test_what_codes_cannot_answer_is_refused_with_the_fix(
    searcher: Searcher, encoder: EverydayEncoder, pictures: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(QueryError, match="give a picture"):
        searcher.search(Query(text="a ball", methods=BY_CODES))
    with pytest.raises(QueryError, match="has no frame nothing"):
        searcher.search(Query(frame="nothing"))
    plain = str(tmp_path / "plain")
    ingest([str(pictures[0])], plain, replace(plan(""), proposals=ProposalConfig(use=("grid",))))
    with pytest.raises(QueryError, match="holds no codes: train some"):
        Searcher(Lake.open(plain), encoder).search(Query(image=str(pictures[0]), methods=BY_CODES))


def test_a_lake_keeps_one_code_model(lake: Lake, encoder: EverydayEncoder, code_model: Path) -> None:
    model = CodeModel.load(code_model)
    assert load_code_model(lake).fingerprint == model.fingerprint
    keep_code_model(lake, model)  # again: nothing happens
    other = replace(model, method="itq")
    with pytest.raises(LakeError, match="holds codes of the code model"):
        keep_code_model(lake, other)
    with pytest.raises(ModelError, match="the code model was trained for features of"):
        model.require_space(replace(encoder.space, revision="another"))


def test_plans_without_codes_keep_their_hash_and_those_with_follow_the_bits_and_not_the_path(
    code_model: Path, tmp_path: Path
) -> None:
    assert Plan().hash == replace(Plan(), codes=CodesConfig(regions_per_frame=3)).hash
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(code_model.read_bytes())
    hashes = {plan(str(path)).hash for path in (code_model, copy)}
    assert len(hashes) == 1
    assert plan("").hash not in hashes
