"""Catches a part of a picture that is encoded in another way than the regions that it is compared with."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from operators.encoders.catalogue import load_encoder
from operators.encoders.everyday.encoder import EverydayEncoder
from operators.encoders.region_vectors import RegionVectorsConfig
from operators.proposals.config import ProposalConfig
from pipeline.ingest.run import ingest
from pipeline.lake.lake import Lake
from pipeline.lake.plans_in_use import region_settings_in_use
from pipeline.lake.writing.committer import Committer
from pipeline.plan.plan import Plan
from pipeline.plan.plan_file import load_plan
from pipeline.plan.stored_plan import StoredPlan
from pipeline.search.searcher import Searcher
from pipeline.watch.matcher import with_targets
from pipeline.watch.watch import Watch
from schemas.errors import LakeError
from schemas.query import Query
from tests.checkpoints import Checkpoints
from tests.conftest import Run
from tests.pipeline.lake.synthetic import World, fold_shots

BOX = (0.25, 0.5, 0.5, 0.75)
CROP = Plan(proposals=ProposalConfig(use=("grid",)), regions=RegionVectorsConfig(mode="crop"))
SAME = 2e-3  # float16 of 768 numbers


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "picture.png"
    coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    Image.fromarray(coarse.repeat(40, axis=0).repeat(40, axis=1)).save(path)
    return path


@pytest.fixture(scope="module")
def cropped(picture: Path, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake whose regions were encoded by their crops alone, which is not the default."""
    uri = str(tmp_path_factory.mktemp("lakes") / "lake")
    assert ingest([str(picture)], uri, CROP).ok
    return Lake.open(uri)


@pytest.fixture(scope="module")
def everyday() -> EverydayEncoder:
    encoder = load_encoder("everyday", threads=1)
    assert isinstance(encoder, EverydayEncoder)
    return encoder


def distance(lake: Lake, query: Query, encoder: EverydayEncoder, regions: RegionVectorsConfig | None = None) -> float:
    """Of the best hit; by the settings of the lake it is the region that is the query's part of the picture."""
    hits = Searcher(lake, encoder, regions=regions).search(query).hits
    assert regions is not None or hits[0].place.box == BOX
    assert hits[0].place.semantic is not None
    return hits[0].place.semantic


def test_it_is_encoded_as_the_regions_of_the_lake_were(cropped: Lake, picture: Path, everyday: EverydayEncoder) -> None:
    query = Query(image=str(picture), roi=BOX, k=1)
    assert distance(cropped, query, everyday) == pytest.approx(0, abs=SAME)
    assert distance(cropped, query, everyday, RegionVectorsConfig(mode="pool")) > 10 * SAME


def test_a_watch_encodes_it_as_a_search_does(cropped: Lake, picture: Path, everyday: EverydayEncoder) -> None:
    watch = Watch("part", Query(image=str(picture), roi=BOX), 0.1)
    ((_, target),) = with_targets([watch], cropped, everyday)
    rows = cropped.read("regions", columns=["vector"], where=f"x0 = {BOX[0]} and y0 = {BOX[1]} and x1 = {BOX[2]}")
    assert target.vector is not None
    (stored,) = np.array(rows["vector"].to_pylist())
    assert stored @ target.vector == pytest.approx(1, abs=SAME)


def test_another_model_encodes_the_regions_later_as_they_were_encoded_first(
    cropped: Lake, picture: Path, checkpoints: Checkpoints, called: Run
) -> None:
    model = str(checkpoints("clip"))
    assert called("ingest", "--reembed", "--model", model, "--lake", cropped.uri).returncode == 0
    encoder = load_encoder(model)
    as_crop = Searcher(Lake.open(cropped.uri), encoder, regions=CROP.regions)
    (hit,) = as_crop.search(Query(image=str(picture), roi=BOX, k=1)).hits
    assert hit.place.box == BOX
    assert hit.place.semantic == pytest.approx(0, abs=SAME)


def test_settings_that_are_given_go_before_those_of_the_lake() -> None:
    assert load_plan(regions=CROP.regions, overrides=["regions.crop_px=64"]).regions == replace(
        CROP.regions, crop_px=64
    )


def test_the_settings_of_most_sources_are_taken_and_the_log_says_so(
    empty_lake: Lake, caplog: pytest.LogCaptureFixture
) -> None:
    assert region_settings_in_use(empty_lake) is None
    # two plans of pooled regions have three sources together, and one of crops has two
    made = [("pool", 50), ("pool", 60), ("pool", 60), ("crop", 50), ("crop", 50)]
    for number, (mode, quality) in enumerate(made):
        plan = StoredPlan.of(load_plan(overrides=[f"regions.mode={mode}", f"thumbnails.quality={quality}"]))
        world = World(number, plan=plan.hash)
        with Committer(empty_lake, plan=plan, fold_shots=fold_shots) as committer:
            committer.register(world.source)
            committer.commit([world.rows(segment) for segment in world.segments()])
        with caplog.at_level(logging.WARNING):
            assert region_settings_in_use(empty_lake) == RegionVectorsConfig(mode="pool")
        assert bool(caplog.records) == (mode == "crop")
    said = vars(caplog.records[-1])
    assert (said["sources"], said["others"]) == (3, 2)
    assert "mode='pool'" in said["regions"]


@pytest.mark.parametrize("regions", ["mode = 'sharp'", "crop_px = 'large'", "sharpness = 1"])
def test_settings_that_cannot_be_read_are_named(regions: str, empty_lake: Lake) -> None:
    plan = replace(StoredPlan.of(load_plan()), toml=f"[regions]\n{regions}\n")
    with Committer(empty_lake, plan=plan, fold_shots=fold_shots) as committer:
        committer.register(World(1, plan=plan.hash).source)
    with pytest.raises(LakeError, match=f"settings of plan {plan.hash}"):
        region_settings_in_use(empty_lake)
