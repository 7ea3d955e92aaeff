"""The command that calibrates a model: catches a file for another revision, and figures that depend on the machine."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from operators.encoders.calibration import QUERY_KINDS, VECTOR_KINDS, Calibration
from operators.encoders.everyday.encoder import WEIGHTS, everyday_space
from operators.encoders.everyday.head import HeadWeights
from operators.encoders.everyday.names import classifier_names
from operators.proposals.config import ProposalConfig
from pipeline.lab.datasets.drawn_frames import drawn_frames
from pipeline.lab.training.confidence import train
from pipeline.lab.training.confidence.train import ConfidenceReport, ConfidenceTraining, train_confidence
from pipeline.lab.training.confidence.vectors import VectorConfig
from schemas.errors import InvalidValueError

PICTURES = 8
NAMES = 20  # of the classifier's 1,000, whose vectors take seconds each time


@pytest.fixture(scope="module", autouse=True)
def few_names() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "classifier_names", lambda: classifier_names()[:NAMES])
        yield


def training(folder: Path, data_dir: Path, **changed: object) -> ConfidenceTraining:
    return ConfidenceTraining(
        **{  # type: ignore[arg-type]
            "data": (data_dir / "coco-tiny",),
            "out": folder / "confidence.safetensors",
            "model": "everyday",
            "cache_dir": folder / "cache",
            "pictures": PICTURES,
            "vectors": VectorConfig(ProposalConfig(use=("grid",))),
        }
        | changed
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where trainings keep their vectors."""
    return tmp_path_factory.mktemp("confidence")


@pytest.fixture(scope="module")
def report(folder: Path, data_dir: Path) -> ConfidenceReport:
    """Of a training without vectors that are kept."""
    return train_confidence(training(folder, data_dir, threads=2))


def test_the_file_is_for_the_revision_of_the_model_and_the_same_each_time(
    report: ConfidenceReport, folder: Path, data_dir: Path, tmp_path: Path
) -> None:
    assert (report.pictures, report.nouns, report.model) == (
        PICTURES,
        NAMES + 80,
        f"everyday@{everyday_space().revision}",
    )
    made = Calibration.load(report.out, revision=everyday_space().revision)
    assert made is not None
    assert {*made.weights} == {(query, vector) for query in QUERY_KINDS for vector in VECTOR_KINDS}
    assert made.shares.sum() == pytest.approx(1.0, abs=1e-3)
    origin = json.loads(report.out.with_suffix(".json").read_text())
    assert origin["revision"] == everyday_space().revision
    assert origin["pictures"] == {"coco-tiny": PICTURES}
    first = report.out.read_bytes()
    kept = train_confidence(training(folder, data_dir, out=tmp_path / "kept.safetensors"))
    assert kept.out.read_bytes() == first
    again = train_confidence(training(tmp_path, data_dir, threads=1))
    assert again.out.read_bytes() == first


def test_pictures_are_drawn_by_their_bytes_and_copies_count_once(data_dir: Path) -> None:
    folder = data_dir / "coco-tiny"
    once, names = drawn_frames((folder,), most=10)
    twice, _ = drawn_frames((folder, folder), most=10)
    assert [frame.path for frame in once] == [frame.path for frame in twice]
    assert names == {"coco-tiny": 10}
    every, _ = drawn_frames((folder, folder), most=10_000)
    assert len(every) == len(np.unique([frame.path.read_bytes() for frame in every]))


def test_a_training_without_folders_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="--data"):
        training(tmp_path, tmp_path, data=())


def test_chances_are_fitted_to_a_sibling_and_compared_with_the_nouns_of_the_head(
    report: ConfidenceReport, folder: Path, data_dir: Path, tmp_path: Path
) -> None:
    own = report.out
    weights = HeadWeights.load(WEIGHTS)
    sibling = tmp_path / "sibling.safetensors"
    replace(weights, conse_share=0.9).save(sibling)
    by_sibling = train_confidence(training(folder, data_dir, out=tmp_path / "with.safetensors", sibling=sibling)).out
    plain, fitted = (Calibration.load(path, revision=everyday_space().revision) for path in (own, by_sibling))
    assert plain is not None
    assert fitted is not None
    np.testing.assert_array_equal(fitted.nouns, plain.nouns)
    assert fitted.weights != plain.weights
    assert json.loads(by_sibling.with_suffix(".json").read_text())["sibling"] == everyday_space(sibling).revision
    same = tmp_path / "same.safetensors"
    shutil.copy(WEIGHTS, same)
    again = train_confidence(training(folder, data_dir, out=tmp_path / "again.safetensors", sibling=same))
    assert again.out.read_bytes() == own.read_bytes()


def test_a_sibling_of_another_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="the model is everyday-1"):
        training(tmp_path, tmp_path, model="everyday-1", sibling=tmp_path)
