"""The layout of a folder. Catches a layout that is guessed although two fit, and an error that does not say why."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.lab.datasets.dataset import ClassName, Dataset, LabelledFrame, Objects
from pipeline.lab.datasets.read import read_dataset
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError, SourceError


def test_a_folder_that_is_none_hears_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not a data set") as error:
        read_dataset(tmp_path)
    for layout in ("COCO: instances_", "LVIS: lvis_", "PASCAL VOC: Annotations", "YOLO: images/", "MOT Challenge: gt"):
        assert layout in str(error.value)
    with pytest.raises(SourceError, match="is not a folder"):
        read_dataset(tmp_path / "nowhere")


def test_of_two_layouts_one_must_be_named(tmp_path: Path) -> None:
    for part in ("images", "labels"):
        (tmp_path / part).mkdir()
    Image.new("RGB", (20, 10)).save(tmp_path / "images" / "a.png")
    (tmp_path / "classes.txt").write_text("cat\n")
    image = {"id": 1, "file_name": "a.png", "width": 20, "height": 10}
    document = {"images": [image], "annotations": [], "categories": []}
    (tmp_path / "instances_x.json").write_text(json.dumps(document))
    with pytest.raises(SourceError, match="is laid out as coco and yolo"):
        read_dataset(tmp_path)
    assert read_dataset(tmp_path, layout="yolo").classes == (ClassName("cat"),)
    assert read_dataset(tmp_path, layout="coco").classes == ()
    with pytest.raises(SourceError, match=r"looked for\n  PASCAL VOC"):
        read_dataset(tmp_path, layout="voc")


def test_a_data_set_refuses_labels_beyond_its_classes_and_frames_that_are_there_twice() -> None:
    objects = Objects.of(Boxes(np.array([[0, 0, 1, 1]], np.float32)), labels=[1], width_px=4, height_px=4)
    frame = LabelledFrame(Path("a.png"), None, 4, 4, objects)
    with pytest.raises(InvalidValueError, match="beyond the 1 classes"):
        Dataset("x", "coco", (ClassName("cat"),), (frame,))
    with pytest.raises(InvalidValueError, match="twice"):
        Dataset("x", "coco", (ClassName("cat"), ClassName("dog")), (frame, frame))


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "layout"),
    [("coco-mini", "coco"), ("coco-tiny", "coco"), ("coco128", "yolo"), ("tud-stadtmitte", "mot")],
)
def test_real_folders_are_told_apart(data_dir: Path, name: str, layout: str) -> None:
    assert read_dataset(data_dir / name).layout == layout
