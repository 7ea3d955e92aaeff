"""Data sets that other tools open: catches a box in another place or unit, a label of another number, a mask of another
size, a name that breaks a file, and rows that are lost."""

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree as Xml

import duckdb
import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO

from deploy.tables.answer_table import write_table
from operators.masks.rle import encode_masks
from pipeline.export.coco import write_coco
from pipeline.export.cvat import write_cvat
from pipeline.export.dataset import Annotation, ExportedFrame, ExportedPicture
from pipeline.export.fiftyone import write_fiftyone
from pipeline.export.label_studio import write_label_studio
from pipeline.export.rows import region_rows
from pipeline.export.yolo import write_yolo
from schemas.errors import InvalidValueError

ROOT = Path(__file__).parents[3]
WIDTH_PX, HEIGHT_PX = 640, 360  # of the frame; its picture is half as large
MASK = np.zeros((HEIGHT_PX, WIDTH_PX), np.bool_)
MASK[90:180, 160:480] = True
ODD = 'a "red" car: <№1> & co'
CAR = Annotation("r1", ODD, (0.25, 0.25, 0.75, 0.5), "objects", 0.5, 0.75, mask=encode_masks(MASK[None])[0])
DOG = Annotation("r2", "dog", (0.0, 0.5, 0.125, 1.0), "moving", 0.25, None, track="r2")
PERSON = Annotation("r3", "dog", (0.5, 0.5, 1.0, 1.0), "moving", 0.25, 1.0)


def frame(id: str, *annotations: Annotation) -> ExportedFrame:
    at = datetime(2026, 5, 1, 12, 0, 1, 500_000)
    return ExportedFrame(id, "s", "/clips/it's.mp4", "video", 15, 1.5, at, WIDTH_PX, HEIGHT_PX, annotations)


FRAMES = [frame("f1", CAR, DOG), frame("f2", PERSON)]
BOXES = {each.region: each.box for one in FRAMES for each in one.annotations}
LABELS = {each.region: each.label for one in FRAMES for each in one.annotations}


def pictures(folder: str) -> dict[str, ExportedPicture]:
    return {one.id: ExportedPicture(f"{folder}/{one.id}.jpg", WIDTH_PX // 2, HEIGHT_PX // 2, False) for one in FRAMES}


def test_pycocotools_finds_every_box_and_mask_with_its_label(tmp_path: Path) -> None:
    [path] = write_coco(tmp_path, FRAMES, pictures("data"))
    coco = COCO(str(path))
    assert [coco.loadImgs(at)[0]["file_name"] for at in coco.getImgIds()] == ["f1.jpg", "f2.jpg"]
    names = {each["id"]: each["name"] for each in coco.loadCats(coco.getCatIds())}
    found = coco.loadAnns(coco.getAnnIds())
    assert {each["region"]: names[each["category_id"]] for each in found} == LABELS
    assert {each["region"]: each.get("score") for each in found} == {"r1": 0.75, "r2": None, "r3": 1.0}
    assert all("confidence" not in each for each in found)  # FiftyOne refuses it
    for each in found:
        x, y, width, height = each["bbox"]
        corners = np.array([x, y, x + width, y + height]) / ([WIDTH_PX // 2, HEIGHT_PX // 2] * 2)
        np.testing.assert_allclose(corners, BOXES[each["region"]], atol=1e-4)
        mask = coco.annToMask(each)
        assert mask.shape == (HEIGHT_PX // 2, WIDTH_PX // 2)
        assert abs(mask.sum() - each["area"]) <= 0.02 * each["area"]  # of a polygon, whole pixels are counted
    of_car = coco.annToMask(next(each for each in found if each["region"] == "r1"))
    assert np.array_equal(of_car.astype(np.bool_), MASK[::2, ::2])


def test_lines_of_yolo_are_the_boxes_under_the_numbers_of_their_names(tmp_path: Path) -> None:
    about, *_ = write_yolo(tmp_path, FRAMES, pictures("images"))
    read = yaml.safe_load(about.read_text())
    assert list(read["names"].values()) == sorted(set(LABELS.values()))
    for one in FRAMES:
        lines = (tmp_path / "labels" / f"{one.id}.txt").read_text().splitlines()
        for line, each in zip(lines, one.annotations, strict=True):
            number, x, y, width, height = map(float, line.split())
            assert read["names"][int(number)] == each.label
            np.testing.assert_allclose(
                [x - width / 2, y - height / 2, x + width / 2, y + height / 2], each.box, atol=2e-6
            )


def test_the_xml_of_cvat_has_every_box_in_pixels_of_the_picture(tmp_path: Path) -> None:
    [path] = write_cvat(tmp_path, FRAMES, pictures("images"))
    root = Xml.parse(path).getroot()
    assert root.findtext("version") == "1.1"
    known = {each.text for each in root.iterfind("meta/task/labels/label/name")}
    found = {}
    for image in root.iterfind("image"):
        size = np.array([int(image.attrib["width"]), int(image.attrib["height"])] * 2)
        for box in image.iterfind("box"):
            assert box.attrib["label"] in known
            region = next(each.text for each in box.iterfind("attribute") if each.attrib["name"] == "region")
            corners = np.array([float(box.attrib[name]) for name in ("xtl", "ytl", "xbr", "ybr")]) / size
            found[region] = (image.attrib["name"], box.attrib["label"], corners)
    assert {region: label for region, (_, label, _) in found.items()} == LABELS
    for region, (name, _, corners) in found.items():
        np.testing.assert_allclose(corners, BOXES[region], atol=1e-4)
        assert name == ("images/f2.jpg" if region == "r3" else "images/f1.jpg")


def test_tasks_of_label_studio_predict_every_box_with_a_label_of_the_configuration(tmp_path: Path) -> None:
    tasks, config = write_label_studio(tmp_path, FRAMES, pictures("images"))
    known = [each.attrib["value"] for each in Xml.parse(config).getroot().iter("Label")]
    found = {}
    for task in json.loads(tasks.read_text()):
        [prediction] = task["predictions"]
        for each in prediction["result"]:
            value = each["value"]
            corners = (value["x"], value["y"], value["x"] + value["width"], value["y"] + value["height"])
            found[each["id"]] = np.array(corners) / 100
            assert value["rectanglelabels"] == [LABELS[each["id"]]]
            assert value["rectanglelabels"][0] in known
            assert (each["original_width"], each["original_height"]) == (WIDTH_PX // 2, HEIGHT_PX // 2)
    assert found.keys() == BOXES.keys()
    for region, corners in found.items():
        np.testing.assert_allclose(corners, BOXES[region])


def test_the_json_of_fiftyone_has_every_box_under_its_picture(tmp_path: Path) -> None:
    [path] = write_fiftyone(tmp_path, FRAMES, pictures("data"))
    read = json.loads(path.read_text())
    assert {name: len(found) for name, found in read["labels"].items()} == {"f1": 2, "f2": 1}
    for found in read["labels"].values():
        for each in found:
            region = each["attributes"]["region"]
            x, y, width, height = each["bounding_box"]
            assert read["classes"][each["label"]] == LABELS[region]
            np.testing.assert_allclose([x, y, x + width, y + height], BOXES[region])


def test_names_are_utf8_whatever_the_locale_is(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path\n"
        "from tests.pipeline.export.test_formats import *\n"
        "for write in (write_coco, write_fiftyone, write_label_studio):\n"
        "    folder = Path(sys.argv[1]) / write.__name__\n"
        "    folder.mkdir()\n"
        "    write(folder, FRAMES, pictures('data'))\n"
    )
    ascii_alone = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run([sys.executable, "-c", script, tmp_path], env=ascii_alone, cwd=ROOT, check=True)
    written = sorted(tmp_path.glob("*/*.json"))
    assert [each.parent.name for each in written] == ["write_coco", "write_fiftyone", "write_label_studio"]
    assert all("№1" in each.read_text(encoding="utf-8") for each in written)


@pytest.mark.parametrize("written_as", ["csv", "parquet"])
def test_duckdb_reads_every_row(tmp_path: Path, written_as: str) -> None:
    path = tmp_path / f"regions.{written_as}"
    write_table(region_rows(FRAMES), path, written_as=written_as)  # type: ignore[arg-type]
    columns = "region, label, x0, y0, x1, y1, confidence, track, time, source"
    found = duckdb.connect().execute(f"SELECT {columns} FROM read_{written_as}('{path}') ORDER BY region").fetchall()
    assert [row[:2] for row in found] == sorted(LABELS.items())
    np.testing.assert_allclose([row[2:6] for row in found], [BOXES[row[0]] for row in found])
    assert [row[6:8] for row in found] == [(0.75, None), (None, "r2"), (1.0, None)]
    assert {row[8:] for row in found} == {(FRAMES[0].time, FRAMES[0].source)}


fraction = st.integers(0, 1000).map(lambda value: value / 1000)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(st.tuples(*[fraction] * 4), st.text(max_size=12), st.integers(1, 4000), st.integers(1, 4000))
def test_any_box_and_name_is_read_back(
    tmp_path: Path, corners: tuple[float, ...], name: str, width_px: int, height_px: int
) -> None:
    x0, x1 = sorted(corners[:2])
    y0, y1 = sorted(corners[2:])
    name = name.encode("utf-8", "replace").decode()
    found = Annotation("r", name, (x0, y0, x1, y1))
    one = ExportedFrame("f", "s", "s", "video", 0, 0.0, None, width_px, height_px, (found,))
    shown = {"f": ExportedPicture("data/f.jpg", width_px, height_px, True)}
    read = json.loads(write_coco(tmp_path, [one], shown)[0].read_text())
    x, y, width, height = read["annotations"][0]["bbox"]
    assert read["categories"][0]["name"] == name
    np.testing.assert_allclose([x, y], [x0 * width_px, y0 * height_px], atol=0.006)
    np.testing.assert_allclose([width, height], [(x1 - x0) * width_px, (y1 - y0) * height_px], atol=0.006)
    (tmp_path / "labels").mkdir(exist_ok=True)
    about = yaml.safe_load(write_yolo(tmp_path, [one], shown)[0].read_bytes().decode())
    assert about["names"] == {0: name}
    assert Xml.parse(write_cvat(tmp_path, [one], shown)[0]).getroot().find("image/box") is not None


@pytest.mark.parametrize("id", ["../../elsewhere", "/etc/passwd", "", "a\nb", "x" * 65])
def test_an_id_that_would_be_written_elsewhere_is_refused(id: str) -> None:
    with pytest.raises(InvalidValueError, match="no id of a frame"):
        frame(id)
