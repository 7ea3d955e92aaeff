"""YOLO folders. Catches boxes in another convention, outlines read as boxes, names in another order, and broken lines
that are read without an error."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from operators.masks.rle import decode_mask
from pipeline.lab.datasets.read import read_dataset
from schemas.errors import SourceError


def add(folder: Path, name: str, labels: str | None) -> None:
    """A picture of 100x50 px below `images/`, and its label file."""
    for part in ("images", "labels"):
        (folder / part / name).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (100, 50)).save(folder / "images" / f"{name}.png")
    if labels is not None:
        (folder / "labels" / f"{name}.txt").write_text(labels)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    add(tmp_path, "a", None)
    add(tmp_path, "b", "1 0.5 0.5 0.2 0.4\n\n0 0.1 0.1 0.2 0.3\n")
    (tmp_path / "data.yaml").write_text("train: images\nnames:\n  1: wine_glass\n  0: cat\n")
    return tmp_path


def test_boxes_are_centre_and_size_as_shares_cut_to_the_picture(folder: Path) -> None:
    dataset = read_dataset(folder)
    nothing, objects = (frame.objects for frame in dataset.frames)
    assert len(nothing) == 0  # no file where nothing is seen
    np.testing.assert_allclose(objects.boxes.xyxy, [[0.4, 0.3, 0.6, 0.7], [0, 0, 0.2, 0.25]], atol=1e-6)
    assert [dataset.classes[n].name for n in objects.labels] == ["wine glass", "cat"]
    np.testing.assert_allclose(objects.area_px, [20 * 20, 20 * 12.5], rtol=1e-5)


def test_outlines_give_the_box_around_them_and_a_mask(folder: Path) -> None:
    add(folder, "b", "0 0.2 0.2 0.6 0.2 0.6 0.8 0.2 0.8\n0 0.5 0.5 0.2 0.4\n")
    outlined, boxed = read_dataset(folder, masks=True).frames[1].objects.masks
    assert boxed is None
    assert outlined is not None
    inside = np.zeros((50, 100), bool)
    inside[10:40, 20:60] = True
    np.testing.assert_array_equal(decode_mask(outlined), inside)
    np.testing.assert_allclose(read_dataset(folder).frames[1].objects.boxes.xyxy[0], [0.2, 0.2, 0.6, 0.8], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("data.yaml", "names: [cat, wine_glass]"),
        ("obj.names", "cat\nwine glass\n"),
        ("classes.txt", "cat\nwine glass\n"),
    ],
)
def test_names_come_from_any_of_their_usual_files(folder: Path, name: str, text: str) -> None:
    (folder / "data.yaml").unlink()
    (folder / name).write_text(text)
    assert [c.name for c in read_dataset(folder).classes] == ["cat", "wine glass"]


def test_splits_are_folders_below_or_above(folder: Path, tmp_path: Path) -> None:
    add(folder, "val/c", "0 0.5 0.5 0.1 0.1")
    assert len(read_dataset(folder).frames) == 3
    assert [f.path.name for f in read_dataset(folder, split="val").frames] == ["c.png"]
    with pytest.raises(SourceError, match="no picture of a split 'test'"):
        read_dataset(folder, split="test")
    above = tmp_path / "above"
    for split in ("train", "val"):
        add(above / split, f"in-{split}", "0 0.5 0.5 0.1 0.1")
    (above / "data.yaml").write_text("names: [cat]")
    assert read_dataset(above).objects == 2
    assert [f.path.name for f in read_dataset(above, split="val").frames] == ["in-val.png"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("0 0.5 0.5 0.1 0.1\n2 0.5 0.5 0.1 0.1", r"b\.txt:2: class 2 is none of the 2"),
        ("0.5 0.5 0.5 0.1 0.1", r"b\.txt:1: a line is a class number"),
        ("0 0.5 0.5 0.1", r"b\.txt:1: needs x y width height, .* got 3 values"),
        ("0 0.5 0.5 0.1 0.1 0.9", r"b\.txt:1: needs x y width height, .* got 5 values"),
        ("0 50 25 10 10", r"b\.txt:1: values are shares"),
        ("0 0.5 nan 0.1 0.1", r"b\.txt:1: values are shares"),
    ],
)
def test_what_is_broken_is_named_with_file_and_line(folder: Path, labels: str, message: str) -> None:
    add(folder, "b", labels)
    with pytest.raises(SourceError, match=message):
        read_dataset(folder)


def test_missing_or_contradicting_names_and_labels_of_other_pictures_are_refused(folder: Path) -> None:
    (folder / "other.yaml").write_text("names: [dog]")
    with pytest.raises(SourceError, match=r"needs one list of class names .* got data\.yaml, other\.yaml"):
        read_dataset(folder)
    (folder / "other.yaml").write_text("names: {0: dog, 2: cat}")
    with pytest.raises(SourceError, match=r"other\.yaml: names must be a list of texts, or one from 0 on"):
        read_dataset(folder)
    for name in ("other.yaml", "data.yaml"):
        (folder / name).unlink()
    with pytest.raises(SourceError, match="got none"):
        read_dataset(folder)
    (folder / "classes.txt").write_text("cat\n")
    (folder / "labels" / "b.txt").rename(folder / "labels" / "c.txt")
    with pytest.raises(SourceError, match=r"none of 1 label files is of a picture in .*c\.txt"):
        read_dataset(folder)


@pytest.mark.data
def test_a_real_folder_holds_what_its_label_files_say(data_dir: Path) -> None:
    dataset = read_dataset(data_dir / "coco128")
    assert (len(dataset.frames), dataset.objects, len(dataset.classes)) == (128, 929, 80)
    for frame in dataset.frames:
        labels = data_dir / "coco128" / "labels" / f"{frame.path.stem}.txt"
        rows = np.loadtxt(labels, ndmin=2) if labels.is_file() else np.zeros((0, 5))
        xyxy = frame.objects.boxes.xyxy
        # to six digits, as they are written
        np.testing.assert_allclose((xyxy[:, :2] + xyxy[:, 2:]) / 2, rows[:, 1:3], atol=2e-6)
        np.testing.assert_allclose(xyxy[:, 2:] - xyxy[:, :2], rows[:, 3:], atol=2e-6)
        assert frame.objects.labels.tolist() == rows[:, 0].tolist()
