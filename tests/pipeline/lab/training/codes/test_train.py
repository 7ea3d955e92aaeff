"""Codes learnt from a lake. Catches a training that a kill changes, that uses other regions than a plan would encode,
and a lake that is too small and would be overfitted."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from operators.codes.features import RegionFeaturesConfig
from operators.codes.model import CodeModel
from operators.encoders.region_vectors import RegionVectorsConfig
from operators.proposals.classical.segments import SegmentsConfig
from operators.proposals.config import ProposalConfig
from operators.proposals.refine import RefineConfig
from pipeline.ingest.run import ingest
from pipeline.lab.training.codes.fit import CodeEpoch, CodeTraining
from pipeline.lab.training.codes.train import LEAST_REGIONS, CodesFromLake, train_lake_codes
from pipeline.lake.lake import Lake
from pipeline.plan.plan import Plan
from schemas.errors import LakeError


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    """17 pictures of coloured rectangles, of 35 or so segments each."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for number in range(17):
        image = np.full((120, 160, 3), 128, np.uint8)
        for _ in range(30):
            x, y = rng.integers(0, 140), rng.integers(0, 100)
            image[y : y + rng.integers(12, 50), x : x + rng.integers(12, 60)] = rng.integers(0, 256, 3)
        Image.fromarray(image).save(folder / f"{number:02}.png")
    plan = Plan(
        proposals=ProposalConfig.of(SegmentsConfig(limit=60, max_iou=0.9), refine=RefineConfig(limit=64)),
        regions=RegionVectorsConfig(mode="pool"),
    )
    uri = str(tmp_path_factory.mktemp("lakes") / "lake")
    assert ingest([str(folder)], uri, plan).ok
    return uri


def config(out: Path) -> CodesFromLake:
    training = CodeTraining(epochs=2, batch=256, itq_rounds=2)
    return CodesFromLake(out, regions_per_frame=60, features=RegionFeaturesConfig(crop_px=32), training=training)


class KilledError(Exception):
    pass


def kill(_number: int, _epoch: CodeEpoch) -> None:
    raise KilledError


def test_a_training_goes_on_after_a_kill_and_its_curve_is_written(lake: str, tmp_path: Path) -> None:
    """To the same bits: tests/pipeline/lab/training/codes/test_fit.py."""
    out = tmp_path / "codes.safetensors"
    with pytest.raises(KilledError):
        train_lake_codes(lake, config(out), on_epoch=kill)
    assert not out.exists()
    told: list[int] = []
    report = train_lake_codes(lake, config(out), on_epoch=lambda number, _: told.append(number))
    assert told == [2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["codes.json", "codes.safetensors"]
    model = CodeModel.load(out)
    assert (model.method, model.fingerprint, len(report.epochs)) == ("learnt", report.fingerprint, 2)
    assert model.space.comparable(Lake.open(lake).space)
    written = json.loads(out.with_suffix(".json").read_text())
    assert [epoch["loss"] for epoch in written["epochs"]] == [epoch.loss for epoch in report.epochs]


def test_as_many_regions_a_frame_are_looked_at_as_a_plan_codes(lake: str, tmp_path: Path) -> None:
    counts = Lake.open(lake).read("regions", columns=["frame"])["frame"].value_counts().field("counts").to_numpy()
    few = replace(config(tmp_path / "few.safetensors"), method="random", regions_per_frame=33)
    report = train_lake_codes(lake, few)
    assert (report.frames, report.regions) == (17, int(np.minimum(counts, 33).sum()))
    some = train_lake_codes(lake, replace(few, regions=LEAST_REGIONS))
    assert LEAST_REGIONS <= some.regions < LEAST_REGIONS + 33
    assert some.frames < 17


def test_a_lake_of_too_few_regions_is_refused(lake: str, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match=f"at least {LEAST_REGIONS} are needed"):
        train_lake_codes(lake, replace(config(tmp_path / "x.safetensors"), regions=100))
