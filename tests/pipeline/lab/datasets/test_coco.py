"""COCO and LVIS folders against pycocotools. Catches boxes in another convention, labels shifted by COCO's gaps, crowds
read as objects, outlines filled differently, and broken entries that are read without an error."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from pipeline.lab.datasets.dataset import Dataset, Flag
from pipeline.lab.datasets.read import read_dataset
from schemas.errors import SourceError

Document = dict[str, list[dict[str, object]]]
WriteFolder = Callable[..., Path]


def document() -> Document:
    """Two pictures, and category ids with a gap; the second picture shows nothing."""
    return {
        "images": [
            {"id": 7, "file_name": "b.png", "width": 200, "height": 100},
            {"id": 3, "file_name": "a.png", "width": 40, "height": 60},
        ],
        "categories": [{"id": 90, "name": "toothbrush"}, {"id": 5, "name": "cat"}],
        "annotations": [
            {"image_id": 7, "bbox": [20, 10, 100, 50], "category_id": 90, "iscrowd": 0, "area": 1000},
            {"image_id": 7, "bbox": [0, 0, 200, 100], "category_id": 5, "iscrowd": 1},
            {"image_id": 7, "bbox": [190, 90, 20, 20], "category_id": 5},
            {"image_id": 7, "bbox": [10, 10, 0, 20], "category_id": 5},
        ],
    }


@pytest.fixture
def write(tmp_path: Path) -> WriteFolder:
    """A COCO folder with that document, and captions if any."""

    def make(values: Document, captions: Document | None = None, *, name: str = "instances_x.json") -> Path:
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.new("RGB", (200, 100)).save(tmp_path / "images" / "b.png")
        Image.new("RGB", (40, 60)).save(tmp_path / "images" / "a.png")
        (tmp_path / name).write_text(json.dumps(values))
        if captions is not None:
            (tmp_path / name.replace("instances", "captions")).write_text(json.dumps(captions))
        return tmp_path

    return make


def test_boxes_are_corner_and_size_in_pixels_cut_to_the_picture(write: WriteFolder) -> None:
    dataset = read_dataset(write(document()))
    assert [frame.path.name for frame in dataset.frames] == ["a.png", "b.png"]
    nothing, objects = (frame.objects for frame in dataset.frames)
    assert len(nothing) == 0
    expected = [[0.1, 0.1, 0.6, 0.6], [0, 0, 1, 1], [0.95, 0.9, 1, 1], [0.05, 0.1, 0.05, 0.3]]
    np.testing.assert_allclose(objects.boxes.xyxy, expected, atol=1e-6)
    assert [dataset.classes[label].name for label in objects.labels] == ["toothbrush", "cat", "cat", "cat"]
    # the area that is said, else that of the box
    np.testing.assert_allclose(objects.area_px, [1000, 20_000, 400, 0])


def test_crowds_and_boxes_without_area_are_flagged(write: WriteFolder) -> None:
    objects = read_dataset(write(document())).frames[1].objects
    assert objects.flags.tolist() == [Flag.NONE, Flag.CROWD, Flag.NONE, Flag.IGNORE]
    assert objects.counted.tolist() == [True, False, True, False]


def test_captions_come_with_their_picture(write: WriteFolder) -> None:
    sentences = [{"image_id": 7, "caption": " A brush. "}, {"image_id": 7, "caption": "Two cats."}]
    captions = {"images": document()["images"], "annotations": sentences}
    dataset = read_dataset(write(document(), captions))
    assert [frame.captions for frame in dataset.frames] == [(), ("A brush.", "Two cats.")]


def test_a_folder_of_captions_alone_has_no_classes(write: WriteFolder) -> None:
    captions = {"images": document()["images"], "annotations": [{"image_id": 3, "caption": "Grey."}]}
    dataset = read_dataset(write(captions, name="captions_x.json"))
    assert dataset.classes == ()
    assert [frame.captions for frame in dataset.frames] == [("Grey.",), ()]


def test_of_several_splits_one_must_be_named(write: WriteFolder, tmp_path: Path) -> None:
    write(document(), name="instances_train.json")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_val.json").write_text(json.dumps({**document(), "annotations": []}))
    with pytest.raises(SourceError, match="splits train, val; name one of them"):
        read_dataset(tmp_path)
    assert read_dataset(tmp_path, split="train").objects == 4
    assert read_dataset(tmp_path, split="val").objects == 0


@pytest.mark.parametrize(
    ("key", "index", "change", "message"),
    [
        ("annotations", 1, {"bbox": [1, 2, 3]}, r"annotations\[1\]: bbox must be"),
        ("annotations", 1, {"bbox": [1, 2, -3, 4]}, r"annotations\[1\]: bbox must be"),
        ("annotations", 1, {"bbox": [1, 2, float("nan"), 4]}, r"annotations\[1\]: bbox must be"),
        ("annotations", 1, {"bbox": [200, 0, 5, 5]}, r"annotations\[1\]: bbox .* outside the picture of 200x100"),
        ("annotations", 2, {"category_id": 6}, r"annotations\[2\]: category_id 6 is none of the 2"),
        ("annotations", 0, {"image_id": 8}, r"annotations\[0\]: image_id 8 is none of the 2"),
        ("annotations", 0, {"area": None}, r"annotations\[0\]: area must be a number"),
        ("annotations", 0, {"segmentation": [[1, 2, 3]]}, r"annotations\[0\]: segmentation is neither"),
        ("annotations", 0, {"segmentation": {"size": [9, 9], "counts": [81]}}, r"is of 9x9 px, .* has 200x100"),
        ("images", 0, {"width": 100, "height": 200}, r"images\[0\]: says 100x200 px, .*b\.png is shown with 200x100"),
        ("images", 0, {"file_name": "c.png"}, r"images\[0\] names c\.png, which is in none of"),
        ("images", 1, {"id": 7}, r"images\[1\]: id 7 is that of .*images\[0\] too"),
        ("categories", 0, {"name": " "}, r"categories\[0\]: name must be text"),
    ],
)
def test_what_is_broken_is_named_with_file_and_entry(
    write: WriteFolder, key: str, index: int, change: dict[str, object], message: str
) -> None:
    values = document()
    values[key][index] |= change
    with pytest.raises(SourceError, match=rf"instances_x\.json: .*{message}|instances_x\.json: {message}"):
        read_dataset(write(values), masks=True)


def test_a_file_that_is_cut_off_or_has_no_annotations_is_named(write: WriteFolder) -> None:
    folder = write({**document(), "annotations": None})  # type: ignore[dict-item]
    with pytest.raises(SourceError, match=r"instances_x\.json needs a list of annotations"):
        read_dataset(folder)
    text = (folder / "instances_x.json").read_text()
    (folder / "instances_x.json").write_text(text[: len(text) // 2])
    with pytest.raises(SourceError, match=r"instances_x\.json cannot be read: .*column"):
        read_dataset(folder)


def test_lvis_tells_what_is_absent_and_how_frequent_a_class_is(write: WriteFolder) -> None:
    values = document()
    for image, absent in zip(values["images"], ([], [5]), strict=True):
        name = image.pop("file_name")
        image |= {"coco_url": f"http://host/val2017/{name}", "neg_category_ids": absent}
    values["categories"] = [
        {"id": 90, "name": "bat_(animal)", "frequency": "r"},
        {"id": 5, "name": "aerosol_can", "frequency": "f"},
    ]
    folder = write(values, name="lvis_v1_val.json")
    dataset = read_dataset(folder)
    assert [(c.name, c.frequency) for c in dataset.classes] == [("aerosol can", "frequent"), ("bat (animal)", "rare")]
    assert [frame.absent for frame in dataset.frames] == [{0}, frozenset()]
    assert dataset.layout == "lvis"
    (folder / "val2017").mkdir()
    (folder / "images" / "b.png").rename(folder / "val2017" / "b.png")
    assert read_dataset(folder).frames[1].path == folder / "val2017" / "b.png"
    values["images"][1]["neg_category_ids"] = [4]
    with pytest.raises(SourceError, match=r"images\[1\]: neg_category_ids \[4\] are none"):
        read_dataset(write(values, name="lvis_v1_val.json"))


def truth(folder: Path) -> COCO:
    (path,) = folder.glob("instances_*.json")
    return COCO(str(path))


@pytest.mark.data
@pytest.mark.parametrize("name", ["coco-mini", "coco-tiny"])
def test_real_folders_are_read_as_pycocotools_reads_them(data_dir: Path, name: str) -> None:
    dataset, expected = read_dataset(data_dir / name, masks=True), truth(data_dir / name)
    by_name = {Path(image["file_name"]).name: image for image in expected.imgs.values()}
    assert {frame.path.name for frame in dataset.frames} == set(by_name)
    assert [c.name for c in dataset.classes] == [c["name"] for c in expected.loadCats(sorted(expected.getCatIds()))]
    for frame in dataset.frames:
        image, objects = by_name[frame.path.name], frame.objects
        entries = expected.loadAnns(expected.getAnnIds(imgIds=[image["id"]]))
        x, y, width, height = np.array([e["bbox"] for e in entries]).T
        size = [frame.width_px, frame.height_px] * 2
        np.testing.assert_allclose(
            objects.boxes.xyxy, np.clip(np.stack([x, y, x + width, y + height], 1) / size, 0, 1), atol=1e-6
        )
        assert [dataset.classes[n].name for n in objects.labels] == [
            expected.cats[e["category_id"]]["name"] for e in entries
        ]
        assert ((objects.flags & Flag.CROWD) > 0).tolist() == [bool(e["iscrowd"]) for e in entries]
        np.testing.assert_allclose(objects.area_px, [e["area"] for e in entries], rtol=1e-6)
        for mask, entry in zip(objects.masks, entries, strict=True):
            assert mask is not None
            assert mask.counts == expected.annToRLE(entry)["counts"]


@pytest.mark.data
def test_sizes_are_those_of_cocos_area_ranges(data_dir: Path) -> None:
    dataset, expected = read_dataset(data_dir / "coco-mini"), truth(data_dir / "coco-mini")
    for low, high in ((0, 32**2), (32**2, 96**2), (96**2, 1e10)):
        ids = expected.getAnnIds(areaRng=[low, high], iscrowd=False)
        assert _in_range(dataset, low, high) == len(ids)


@pytest.mark.data
def test_every_picture_of_the_real_captions_has_five(data_dir: Path) -> None:
    frames = read_dataset(data_dir / "coco-mini").frames
    assert [len(frame.captions) for frame in frames] == [5] * 80


def _in_range(dataset: Dataset, low: float, high: float) -> int:
    """pycocotools' ranges leave both ends out."""
    return sum(
        int((f.objects.counted & (f.objects.area_px > low) & (f.objects.area_px < high)).sum()) for f in dataset.frames
    )
