"""Readers of COCO folders. Catches boxes in another convention, labels off by COCO's gaps, and crowds
taken as objects."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from operators.proposals.models.coco_classes import COCO_CLASSES, COCO_IDS, SYNONYMS
from pipeline.lab.datasets.coco_folders import coco_folders, read_folder
from schemas.errors import SourceError


def picture(folder: Path, name: str) -> None:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (200, 100)).save(folder / "images" / name)


@pytest.fixture
def json_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "coco-json"
    picture(folder, "a.png")
    box = {"image_id": 1, "bbox": [20, 10, 100, 50], "category_id": 90, "iscrowd": 0}
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 200, "height": 100}],
        "annotations": [box, {**box, "iscrowd": 1}],
    }
    (folder / "instances_x.json").write_text(json.dumps(document))
    (folder / "captions_x.json").write_text(json.dumps({"annotations": [{"image_id": 1, "caption": " A brush. "}]}))
    return folder


def test_json_boxes_are_corner_and_size_in_pixels(json_folder: Path) -> None:
    (found,) = read_folder(json_folder)
    np.testing.assert_allclose(found.boxes.xyxy, [[0.1, 0.1, 0.6, 0.6]], atol=1e-6)
    np.testing.assert_allclose(found.sides_px(), [[100, 50]], atol=1e-4)
    assert [COCO_CLASSES[label] for label in found.labels] == ["toothbrush"]
    assert found.captions == ("A brush.",)
    assert found.read().shape == (100, 200, 3)


def test_yolo_boxes_are_centre_and_size_in_fractions(tmp_path: Path) -> None:
    folder = tmp_path / "coco-yolo"
    picture(folder, "a.png")
    picture(folder, "nothing-seen.png")
    (folder / "labels").mkdir()
    (folder / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.4\n79 0.1 0.1 0.2 0.2\n")
    found = read_folder(folder)
    np.testing.assert_allclose(found[0].boxes.xyxy, [[0.4, 0.3, 0.6, 0.7], [0, 0, 0.2, 0.2]], atol=1e-6)
    assert [COCO_CLASSES[label] for label in found[0].labels] == ["person", "toothbrush"]
    assert len(found[1].boxes) == 0


def test_folders_are_found_by_what_they_hold(json_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    assert coco_folders(tmp_path) == [json_folder]


def test_a_folder_that_is_none_and_a_missing_picture_are_named(json_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    with pytest.raises(SourceError, match="is no COCO folder"):
        read_folder(tmp_path / "clips")
    (json_folder / "images" / "a.png").unlink()
    with pytest.raises(SourceError, match=r"a\.png is named by the annotations and missing"):
        read_folder(json_folder)


def test_ids_and_names_are_those_of_coco() -> None:
    assert len(COCO_IDS) == len(COCO_CLASSES) == len(set(COCO_CLASSES)) == 80
    # of the published list: https://cocodataset.org, 2017 annotations
    named = {
        1: "person",
        11: "fire hydrant",
        13: "stop sign",
        44: "bottle",
        67: "dining table",
        70: "toilet",
        90: "toothbrush",
    }
    assert {i: COCO_CLASSES[COCO_IDS.index(i)] for i in named} == named
    assert set(SYNONYMS) <= set(COCO_CLASSES)


@pytest.mark.data
def test_the_folders_of_real_pictures_are_read(data_dir: Path) -> None:
    counts = {f.name: (len(p := read_folder(f)), sum(len(x.boxes) for x in p)) for f in coco_folders(data_dir)}
    assert counts["coco-mini"][0] == 80
    assert counts["coco128"] == (128, 929)
    assert sum(pictures for pictures, _ in counts.values()) == 288
