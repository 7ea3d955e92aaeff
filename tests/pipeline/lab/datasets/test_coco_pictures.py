"""Pictures of COCO's 80 classes, from COCO and YOLO folders. Catches labels shifted by COCO's gaps, crowds read as
objects, and classes of another data set read as COCO's."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from operators.proposals.models.coco_classes import COCO_CLASSES, SYNONYMS
from pipeline.lab.datasets.coco_pictures import coco_folders, read_coco_pictures
from pipeline.lab.datasets.dataset import Dataset
from schemas.errors import SourceError


def picture(folder: Path, name: str) -> None:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (200, 100)).save(folder / "images" / name)


def shown(dataset: Dataset) -> list[list[str]]:
    return [[COCO_CLASSES[label] for label in frame.objects.labels] for frame in dataset.frames]


@pytest.fixture
def json_folder(tmp_path: Path) -> Path:
    """A picture with a toothbrush, a cat and a crowd of cats, of a data set of these two classes alone."""
    folder = tmp_path / "coco-json"
    picture(folder, "a.png")
    images = [{"id": 1, "file_name": "a.png", "width": 200, "height": 100}]
    box = {"image_id": 1, "bbox": [20, 10, 100, 50], "category_id": 90, "iscrowd": 0}
    document = {
        "images": images,
        "annotations": [box, {**box, "category_id": 17, "iscrowd": 1}, {**box, "category_id": 17}],
        "categories": [{"id": 90, "name": "toothbrush"}, {"id": 17, "name": "cat"}],
    }
    (folder / "instances_x.json").write_text(json.dumps(document))
    captions = {"images": images, "annotations": [{"image_id": 1, "caption": " A brush. "}]}
    (folder / "captions_x.json").write_text(json.dumps(captions))
    return folder


def test_json_boxes_have_coco_s_labels_and_crowds_are_omitted(json_folder: Path) -> None:
    dataset = read_coco_pictures(json_folder)
    (frame,) = dataset.frames
    np.testing.assert_allclose(frame.objects.boxes.xyxy, [[0.1, 0.1, 0.6, 0.6]] * 2, atol=1e-6)
    np.testing.assert_allclose(frame.sides_px(), [[100, 50]] * 2, atol=1e-4)
    assert shown(dataset) == [["toothbrush", "cat"]]
    assert frame.captions == ("A brush.",)


def test_a_yolo_folder_without_names_counts_classes_as_coco_does(tmp_path: Path) -> None:
    folder = tmp_path / "coco-yolo"
    picture(folder, "a.png")
    picture(folder, "nothing-seen.png")
    (folder / "labels").mkdir()
    (folder / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.4\n79 0.1 0.1 0.2 0.2\n")
    dataset = read_coco_pictures(folder)
    boxes = dataset.frames[0].objects.boxes
    np.testing.assert_allclose(boxes.xyxy, [[0.4, 0.3, 0.6, 0.7], [0, 0, 0.2, 0.2]], atol=1e-6)
    assert shown(dataset) == [["person", "toothbrush"], []]
    (folder / "labels" / "a.txt").write_text("80 0.5 0.5 0.2 0.4\n")
    with pytest.raises(SourceError, match="class 80 is none of the 80"):
        read_coco_pictures(folder)


def test_names_of_a_yolo_folder_say_which_class_a_number_is(tmp_path: Path) -> None:
    picture(tmp_path, "a.png")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.4\n1 0.1 0.1 0.2 0.2\n")
    (tmp_path / "data.yaml").write_text("names: [cat, hair_drier]\n")
    assert shown(read_coco_pictures(tmp_path)) == [["cat", "hair drier"]]
    (tmp_path / "data.yaml").write_text("names: [cat, red metal cube]\n")
    with pytest.raises(SourceError, match="none of COCO's 80: red metal cube"):
        read_coco_pictures(tmp_path)


def test_folders_are_found_by_what_they_hold(json_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    assert coco_folders(tmp_path) == [json_folder]
    assert coco_folders(json_folder) == [json_folder]


def test_a_folder_that_is_none_and_a_missing_picture_are_named(json_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    with pytest.raises(SourceError, match="is not a COCO folder"):
        read_coco_pictures(tmp_path / "clips")
    (json_folder / "images" / "a.png").unlink()
    with pytest.raises(SourceError, match=r"images\[0\] names a\.png, which is in none of"):
        read_coco_pictures(json_folder)


def test_ids_and_names_are_those_of_coco() -> None:
    # COCO's own ids have gaps: of 1 to 90, 80 are used
    ids = [i for i in range(1, 91) if i not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)]
    assert len(ids) == len(COCO_CLASSES) == len(set(COCO_CLASSES)) == 80
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
    assert {i: COCO_CLASSES[ids.index(i)] for i in named} == named
    assert set(SYNONYMS) <= set(COCO_CLASSES)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "pictures", "objects"), [("coco-mini", 80, 731), ("coco-tiny", 80, 699), ("coco128", 128, 929)]
)
def test_the_folders_of_real_pictures_are_read(data_dir: Path, name: str, pictures: int, objects: int) -> None:
    dataset = read_coco_pictures(data_dir / name)
    assert (len(dataset.frames), dataset.objects) == (pictures, objects)
