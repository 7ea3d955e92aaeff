"""Training from folders to a head. Catches a head that does not learn, or is not reproduced byte for byte."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from operators.encoders.everyday.backbone import Backbone
from operators.proposals.objects.head import ObjectHead, objects_revision
from pipeline.lab.datasets.coco_pictures import read_coco_pictures
from pipeline.lab.training.objects import fit
from pipeline.lab.training.objects.fit import ObjectFitConfig
from pipeline.lab.training.objects.passes import Pass, PassConfig, training_passes
from pipeline.lab.training.objects.targets import targets
from pipeline.lab.training.objects.train import TrainObjectsConfig, train_objects
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.vectors import FeatureMap

SIDE = 128
PASSES = PassConfig(small=((Pass(SIDE), Pass(SIDE, mirrored=True)),))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight grey pictures, each with a bright box of another place, size and shape."""
    folder = tmp_path_factory.mktemp("data") / "bright"
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(8):
        picture = rng.integers(60, 100, (SIDE, SIDE, 3), np.uint8)
        width, height = rng.integers(24, 72, 2)
        x, y = rng.integers(0, SIDE - width), rng.integers(0, SIDE - height)
        picture[y : y + height, x : x + width] = rng.integers(180, 255, 3)
        Image.fromarray(picture).save(folder / "images" / f"{i}.png")
        box = (x + width / 2) / SIDE, (y + height / 2) / SIDE, width / SIDE, height / SIDE
        (folder / "labels" / f"{i}.txt").write_text(f"{i} {' '.join(f'{v:.5f}' for v in box)}\n")
    return folder


def _config(folder: Path, out: Path, *, epochs: int, threads: int = 2, held_out: int = 0) -> TrainObjectsConfig:
    return TrainObjectsConfig(
        data=(folder,),
        cache_dir=out.parent / out.stem,  # of its own: nothing of another run is reused
        out=out,
        held_out=held_out,
        passes=PASSES,
        fit=ObjectFitConfig(epochs=epochs, batch=8),
        threads=threads,
    )


def test_a_head_finds_the_boxes_that_it_was_trained_on(folder: Path, tmp_path: Path) -> None:
    report = train_objects(_config(folder, tmp_path / "fitted.onnx", epochs=150))
    pictures = read_coco_pictures(folder).frames
    views = training_passes(pictures, Backbone(threads=1), config=PASSES, cache_dir=tmp_path / "fitted" / "objects")
    head = ObjectHead(report.out)
    for view in views:
        levels = FeatureMap(tuple(level.astype(np.float32) for level in view.levels()))
        found, score = head(levels, limit=1, least_score=0.0, max_iou=0.5)
        truth = Boxes(view.boxes / np.float32(SIDE))
        assert truth.iou(found) >= 0.6
        assert score[0] >= 0.3


def test_the_same_folder_gives_the_same_file_on_any_number_of_threads(folder: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    reports = [
        train_objects(
            _config(folder, tmp_path / f"{threads}.onnx", epochs=2, threads=threads, held_out=4),
            on_progress=lambda done, total: seen.append((done, total)),
        )
        for threads in (1, 2)
    ]
    assert reports[0].out.read_bytes() == reports[1].out.read_bytes()
    assert seen == [(4, 8), (8, 8)] * 2
    origin = json.loads((tmp_path / "1.json").read_text())
    assert origin["pictures"] == {"bright": 8}
    assert (origin["kept_out"], origin["views"]) == (2, 6)
    assert origin["revision"] == reports[0].revision == objects_revision(reports[0].out)
    assert set(reports[0].recall) == {8, 16, 32}


def test_an_interrupted_fit_continues_to_the_same_weights(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "_KEPT_EVERY", 2)
    views = training_passes(
        read_coco_pictures(folder).frames, Backbone(threads=1), config=PASSES, cache_dir=tmp_path / "passes"
    )
    config, state = ObjectFitConfig(epochs=6, batch=8), tmp_path / "state.pt"
    whole = fit.fit_objects(views, config=config)

    def stop(done: int, _: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit.fit_objects(views, config=config, state=state, on_progress=stop)
    seen: list[int] = []
    again = fit.fit_objects(views, config=config, state=state, on_progress=lambda done, _: seen.append(done))
    assert seen == [5, 6]
    assert {name: value.tobytes() for name, value in again.items()} == {n: v.tobytes() for n, v in whole.items()}
    assert not state.exists()


def test_pictures_without_objects_are_trained_on_as_background(folder: Path, tmp_path: Path) -> None:
    views = training_passes(read_coco_pictures(folder).frames, Backbone(threads=1), config=PASSES, cache_dir=tmp_path)
    for view in views[1:]:
        object.__setattr__(view, "boxes", np.zeros((0, 4), np.float32))
    weights = fit.fit_objects(views, config=ObjectFitConfig(epochs=1, batch=1))
    assert all(np.isfinite(value).all() for value in weights.values())
    for view in views:
        object.__setattr__(view, "boxes", np.zeros((0, 4), np.float32))
    with pytest.raises(InvalidValueError, match="no picture shows an object"):
        fit.fit_objects(views, config=ObjectFitConfig(epochs=1, batch=1))


def test_a_mirrored_pass_has_its_boxes_mirrored(folder: Path, tmp_path: Path) -> None:
    pictures = read_coco_pictures(folder).frames
    both = PassConfig(small=((Pass(SIDE),), (Pass(SIDE, mirrored=True),)))
    plain, mirrored = (
        training_passes(pictures[:1], Backbone(threads=1), config=PassConfig(small=(part,)), cache_dir=tmp_path)[0]
        for part in both.small
    )
    x0, y0, x1, y1 = plain.boxes[0]
    np.testing.assert_allclose(mirrored.boxes[0], [SIDE - x1, y0, SIDE - x0, y1], atol=1e-4)
    assert not np.array_equal(plain.levels()[0], mirrored.levels()[0])


def test_a_cell_finds_the_smallest_box_around_it_that_has_a_size_of_its_level(folder: Path, tmp_path: Path) -> None:
    picture = read_coco_pictures(folder).frames[:1]
    view = training_passes(picture, Backbone(threads=1), config=PASSES, cache_dir=tmp_path)[0]
    object.__setattr__(view, "boxes", np.array([[0, 0, 128, 128], [48, 48, 72, 72]], np.float32))
    found = targets(view)
    fine, middle, coarse = np.split(found, [16 * 16, 16 * 16 + 8 * 8])
    assert set(fine) == {-1, 1}  # a side of 128 px is too long for stride 8
    assert set(middle) == {-1, 0}  # 24 px are too short for stride 16
    assert set(coarse) == {-1, 0}
    assert fine.reshape(16, 16)[7, 7] == 1
    assert middle.reshape(8, 8)[0, 0] == -1  # not in the middle of the box
