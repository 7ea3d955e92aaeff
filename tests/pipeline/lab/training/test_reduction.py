"""Catches a reduction that depends on the names of pictures, keeps less than it could, or is fitted to too few."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from operators.encoders.reduction import Reduction
from operators.readers.picture import read_picture
from pipeline.lab.evaluation.reduction import ReductionEvaluation, evaluate_reduction
from pipeline.lab.training.reduction import ReductionTraining, picture_vectors, train_reduction
from schemas.errors import SourceError
from tests.conftest import Run
from tests.short_vectors import HUES, SPACE, Hues


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures of coloured noise."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(6)
    for number in range(6):
        coarse = rng.integers(0, 255, (6, 8, 3), np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.resize(coarse, (160, 120), interpolation=cv2.INTER_CUBIC))
    return folder


def test_the_same_pictures_give_the_same_file_whatever_their_names(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "deep"
    other.mkdir(parents=True)
    for path in sorted(folder.iterdir()):
        shutil.copy(path, other / f"{9 - int(path.stem)}.png")
    shutil.copy(folder / "0.png", other / "copy.png")
    one = train_reduction(ReductionTraining(HUES, (folder,), 9, tmp_path / "one"))
    two = train_reduction(ReductionTraining(HUES, (other.parent,), 9, tmp_path / "two"))
    assert (one.name, one.pictures, one.vectors) == (two.name, 6, 6 * 21)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_it_keeps_the_share_that_it_reports_and_more_than_any_dimensions_of_the_model(
    folder: Path, tmp_path: Path
) -> None:
    report = train_reduction(ReductionTraining(HUES, (folder,), 6, tmp_path / "f"))
    reduction = Reduction.load(str(tmp_path / "f"))
    vectors = np.concatenate(picture_vectors(sorted(folder.iterdir()), Hues()))
    assert report.kept == pytest.approx(np.sum((vectors @ reduction.matrix) ** 2) / len(vectors), abs=1e-5)
    assert report.kept > np.sort(np.sum(vectors**2, axis=0))[-6:].sum() / len(vectors)
    assert (report.full_dimensions, reduction.full) == (SPACE.dimension, SPACE)
    np.testing.assert_array_equal(vectors[0], Hues().encode_images([read_picture(str(folder / "0.png"))])[0])


def test_too_few_pictures_and_too_many_dimensions_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no pictures"):
        train_reduction(ReductionTraining(HUES, (tmp_path,), 6, tmp_path / "f"))
    with pytest.raises(SourceError, match="1 pictures give 21 vectors"):
        train_reduction(ReductionTraining(HUES, (folder,), 30, tmp_path / "f", pictures=1))
    with pytest.raises(SourceError, match="fit fewer"):
        train_reduction(ReductionTraining(HUES, (folder,), 48, tmp_path / "f"))
    assert not (tmp_path / "f").exists()


def test_the_command_says_how_to_use_the_file(folder: Path, tmp_path: Path, called: Run) -> None:
    out = tmp_path / "f.safetensors"
    done = called("lab", "train", "reduction", "--model", HUES, "--data", folder, "--dimensions", "5", "--out", out)
    assert done.returncode == 0, done.stderr
    assert f"--set regions.dimensions=5 --set regions.reduction={out}" in done.stdout
    assert Reduction.load(str(out)).name in done.stdout


@pytest.mark.data
def test_the_table_has_each_length_and_the_full_vectors_first(data_dir: Path) -> None:
    config = ReductionEvaluation((data_dir / "coco-tiny",), HUES, dimensions=(256, 48, 12, 3), pictures=8)
    table = evaluate_reduction(config)
    rows = [(row.dimensions, row.fit, row.bytes_each) for row in table.rows]
    lengths = [(n, fit, 2 * n) for n in (12, 3) for fit in ("pca", "centred", "first")]
    assert rows == [(SPACE.dimension, "none", 2 * SPACE.dimension), *lengths]
    full, twelve, _, first, three, *_ = table.rows
    assert (full.kept, full.nearest) == (1.0, 1.0)
    assert full.kept > twelve.kept > three.kept
    assert twelve.kept > first.kept
    assert (table.pictures, table.fitted) == (8, 8)
