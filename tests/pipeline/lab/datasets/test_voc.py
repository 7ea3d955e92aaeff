"""PASCAL VOC folders. Catches boxes shifted by the pixel from which VOC counts, difficult objects without their flag,
masks of the wrong object, and broken XML that is read without an error."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from operators.masks.rle import decode_mask
from pipeline.lab.datasets.dataset import Flag
from pipeline.lab.datasets.read import read_dataset
from schemas.errors import SourceError

WIDTH, HEIGHT = 50, 40
CAT = ("cat", (1, 1, 10, 20), 0)  # the first ten columns and twenty rows
TABLE = ("diningtable", (31, 11, 50, 40), 1)


def annotation(objects: list[tuple[str, tuple[float, float, float, float], int]], *, name: str = "b.jpg") -> str:
    marked = "".join(
        f"<object><name>{what}</name><part><name>head</name><bndbox><xmin>3</xmin></bndbox></part>"
        f"<difficult>{difficult}</difficult><bndbox><xmax>{x1}</xmax><xmin>{x0}</xmin><ymax>{y1}</ymax>"
        f"<ymin>{y0}</ymin></bndbox></object>"
        for what, (x0, y0, x1, y1), difficult in objects
    )
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
    return f"<annotation><filename>{name}</filename>{size}{marked}</annotation>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures: a.jpg shows nothing, b.jpg a cat and a difficult table. The list `val` holds b alone."""
    for part in ("Annotations", "JPEGImages", "ImageSets/Main", "SegmentationObject"):
        (tmp_path / part).mkdir(parents=True)
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "JPEGImages" / name)
    (tmp_path / "Annotations" / "a.xml").write_text(annotation([], name="a.jpg"))
    (tmp_path / "Annotations" / "b.xml").write_text(annotation([CAT, TABLE]))
    (tmp_path / "ImageSets" / "Main" / "val.txt").write_text("b\n")
    (tmp_path / "ImageSets" / "Main" / "cat_trainval.txt").write_text("a -1\nb  1\n")
    return tmp_path


def test_pixels_are_counted_from_one_and_the_last_is_held(folder: Path) -> None:
    dataset = read_dataset(folder)
    assert dataset.layout == "voc"
    nothing, objects = (frame.objects for frame in dataset.frames)
    assert len(nothing) == 0
    np.testing.assert_allclose(objects.boxes.xyxy, [[0, 0, 0.2, 0.5], [0.6, 0.25, 1, 1]], atol=1e-6)
    np.testing.assert_allclose(objects.area_px, [10 * 20, 20 * 30], rtol=1e-6)
    assert [dataset.classes[n].name for n in objects.labels] == ["cat", "dining table"]
    assert objects.flags.tolist() == [Flag.NONE, Flag.DIFFICULT]


def test_a_split_is_a_list_of_pictures(folder: Path) -> None:
    assert [f.path.name for f in read_dataset(folder, split="val").frames] == ["b.jpg"]
    assert len(read_dataset(folder, split="cat_trainval").frames) == 2
    with pytest.raises(SourceError, match=r"no split 'test': .*test\.txt is missing"):
        read_dataset(folder, split="test")


def test_masks_are_of_the_object_with_their_number(folder: Path) -> None:
    numbers = np.zeros((HEIGHT, WIDTH), np.uint8)
    numbers[2:8, 3:9], numbers[20:30, 35:45], numbers[8, 3:9] = 1, 2, 255
    Image.fromarray(numbers).save(folder / "SegmentationObject" / "b.png")
    cat, table = read_dataset(folder, masks=True).frames[1].objects.masks
    assert cat is not None
    assert table is not None
    np.testing.assert_array_equal(decode_mask(cat), numbers == 1)
    np.testing.assert_array_equal(decode_mask(table), numbers == 2)
    assert read_dataset(folder).frames[1].objects.masks == (None, None)
    Image.fromarray(np.full((HEIGHT, WIDTH), 3, np.uint8)).save(folder / "SegmentationObject" / "b.png")
    with pytest.raises(SourceError, match=r"b\.png marks object 3, its annotation names 2"):
        read_dataset(folder, masks=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (annotation([CAT])[:-9], r"b\.xml cannot be read"),
        (annotation([CAT, ("cat", (10, 1, 5, 4), 0)]), r"b\.xml: object\[1\]: bndbox xmin 10.* is none of"),
        (annotation([("cat", (51, 1, 60, 4), 0)]), r"b\.xml: object\[0\]: bndbox .* 50x40"),
        (annotation([CAT]).replace("<xmax>10</xmax>", ""), r"object\[0\]: <bndbox/xmax> is missing"),
        (
            annotation([CAT]).replace("<xmax>10<", "<xmax>ten<"),
            r"object\[0\]: <bndbox/xmax> must be a number, got 'ten'",
        ),
        (annotation([CAT]).replace("<width>50<", "<width>40<"), r"b\.xml: says 40x40 px, .* with 50x40"),
        (annotation([CAT], name="c.jpg"), r"b\.xml names c\.jpg, which is in none of"),
    ],
)
def test_what_is_broken_is_named_with_file_and_entry(folder: Path, text: str, message: str) -> None:
    (folder / "Annotations" / "b.xml").write_text(text)
    with pytest.raises(SourceError, match=message):
        read_dataset(folder)
