"""Labels that come back: catches one that is given to another region, a box that is believed because its id was copied,
what was deleted and is not wrong, and labels that forgetting, `check` or an export do not know."""

import csv
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np
import pytest

from pipeline.analysis.lake_rows import LakeRows
from pipeline.analysis.sql import run_sql
from pipeline.export.coco import write_coco
from pipeline.export.cvat import write_cvat
from pipeline.export.dataset import ExportedFrame
from pipeline.export.fiftyone import write_fiftyone
from pipeline.export.label_studio import write_label_studio
from pipeline.export.pictures import without_pictures
from pipeline.export.selection import Everything, of_everything
from pipeline.export.yolo import write_yolo
from pipeline.forget.places import places_to_forget
from pipeline.forget.run import forget
from pipeline.labels.label_table import HumanLabel, Labels, judged
from pipeline.labels.matching import Matched, match
from pipeline.labels.read import read_labels
from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from schemas.errors import InvalidValueError, LakeError
from tests.pipeline.analysis.conftest import lake_of
from tests.pipeline.analysis.street import Street
from tests.pipeline.lake.synthetic import fold_shots

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
OLD_LAKE = Path(__file__).parents[2] / "fixtures" / "lake-0.2.0" / "lake"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labels") / "lake"
    lake_of(folder, Street(0), Street(1, timed=True))
    return folder


@pytest.fixture
def lake(made: Path, tmp_path: Path) -> Lake:
    return Lake.open(str(shutil.copytree(made, tmp_path / "lake")))


def frames_of(lake: Lake, *, until: float = 1.6) -> list[ExportedFrame]:
    """The first keyframes of street 0: in each a car and a walker."""
    return of_everything(LakeRows(lake), Everything("clip-0.mp4", until=until), find_odds=lambda _: None)


def said(lake: Lake, path: Path, *, exported: Path | None = None, by: str = "anna") -> Matched:
    shown = read_labels(exported).boxes if exported else ()
    found = match(LakeRows(lake), read_labels(path), shown=shown, by=by, now=NOW)
    Labels(lake).add(found.labels)
    return found


def statements(found: Matched) -> dict[tuple[str, str], str]:
    return {(each.region, each.label): each.verdict for each in found.labels}


# Each changes what its writer wrote as a labeller does: the first car becomes a van, the first walker is drawn a little
# wider, and the second car is deleted.


def edit_coco(folder: Path, _: list[str]) -> None:
    path = folder / "labels.json"
    read = json.loads(path.read_text())
    [car] = [each["id"] for each in read["categories"] if each["name"] == "car"]
    cars = [each for each in read["annotations"] if each["category_id"] == car]
    walker = next(each for each in read["annotations"] if each["category_id"] != car)
    read["categories"].append({"id": 99, "name": "van"})
    cars[0]["category_id"] = 99
    walker["bbox"][2] *= 1.25
    read["annotations"].remove(cars[1])
    path.write_text(json.dumps(read))


def edit_yolo(folder: Path, files: list[str]) -> None:
    about = folder / "data.yaml"
    about.write_text(about.read_text() + '  2: "van"\n')  # after 0: car, 1: person
    [first, second, *_] = files
    lines = (folder / "labels" / f"{first}.txt").read_text().splitlines()
    car, walker = sorted(lines)
    number, x, y, width, height = walker.split()
    wider = f"{number} {float(x) + 0.125 * float(width)} {y} {1.25 * float(width)} {height}"
    (folder / "labels" / f"{first}.txt").write_text(f"2{car[1:]}\n{wider}\n")
    kept = [line for line in (folder / "labels" / f"{second}.txt").read_text().splitlines() if not line.startswith("0")]
    (folder / "labels" / f"{second}.txt").write_text("\n".join(kept))


def edit_cvat(folder: Path, _: list[str]) -> None:
    tree = Xml.parse(folder / "annotations.xml")
    images = tree.getroot().findall("image")
    first, second = images[0], images[1]
    [car] = [each for each in first.iterfind("box") if each.attrib["label"] == "car"]
    [walker] = [each for each in first.iterfind("box") if each.attrib["label"] == "person"]
    car.attrib["label"] = "van"
    left, right = float(walker.attrib["xtl"]), float(walker.attrib["xbr"])
    walker.attrib["xbr"] = str(right + 0.25 * (right - left))
    second.remove(next(each for each in second.iterfind("box") if each.attrib["label"] == "car"))
    tree.write(folder / "annotations.xml")


def edit_fiftyone(folder: Path, files: list[str]) -> None:
    path = folder / "labels.json"
    read = json.loads(path.read_text())
    read["classes"].append("van")
    car = read["classes"].index("car")
    first, second = read["labels"][files[0]], read["labels"][files[1]]
    next(each for each in first if each["label"] == car)["label"] = len(read["classes"]) - 1
    next(each for each in first if each["label"] == read["classes"].index("person"))["bounding_box"][2] *= 1.25
    second.remove(next(each for each in second if each["label"] == car))
    path.write_text(json.dumps(read))


def edit_label_studio(folder: Path, _: list[str]) -> None:
    """As Label Studio exports it: predictions beside annotations, whose results may have ids of its own."""
    path = folder / "tasks.json"
    tasks = json.loads(path.read_text())
    for number, task in enumerate(tasks):
        results = json.loads(json.dumps(task["predictions"][0]["result"]))
        for each in results:
            each["id"] = f"own{number}"
        label = [each["value"]["rectanglelabels"] for each in results]
        if number == 0:
            results[label.index(["person"])]["value"]["width"] *= 1.25
            results[label.index(["car"])]["value"]["rectanglelabels"] = ["van"]
        if number == 1:
            results.pop(label.index(["car"]))
        done = {"result": results, "completed_by": {"id": 7, "email": "anna"}, "updated_at": "2026-05-01T12:00:00Z"}
        task |= {"id": number, "annotations": [done]}
    path.write_text(json.dumps(tasks))


WRITERS: dict[str, tuple[Callable[..., list[Path]], Callable[[Path, list[str]], None]]] = {
    "coco": (write_coco, edit_coco),
    "yolo": (write_yolo, edit_yolo),
    "cvat": (write_cvat, edit_cvat),
    "fiftyone": (write_fiftyone, edit_fiftyone),
    "label-studio": (write_label_studio, edit_label_studio),
}


@pytest.mark.parametrize("format", WRITERS)
def test_what_labellers_change_in_an_export_comes_back(lake: Lake, tmp_path: Path, format: str) -> None:
    write, edit = WRITERS[format]
    frames = frames_of(lake)
    pictures = without_pictures(frames, subfolder="data")
    for name in ("shown", "edited"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, frames, pictures)
    edit(tmp_path / "edited", [each.id for each in frames])
    # YOLO has no ids, with which to say what was deleted; Label Studio's file says itself what it showed
    shown = tmp_path / "shown" if format in ("coco", "cvat", "fiftyone") else None
    found = said(lake, tmp_path / "edited", exported=shown)
    regions = {(number, each.label): each for number, frame in enumerate(frames) for each in frame.annotations}
    expected = {(each.region, each.label): "right" for each in regions.values()}
    del expected[regions[0, "car"].region, "car"], expected[regions[1, "car"].region, "car"]
    expected[regions[0, "car"].region, "van"] = "right"
    if format != "yolo":
        expected |= {(regions[0, "car"].region, "car"): "wrong", (regions[1, "car"].region, "car"): "wrong"}
    assert statements(found) == expected
    assert found.unmatched == ()
    assert (found.by_id > 0) == (format in ("coco", "cvat", "fiftyone"))
    moved = next(each for each in found.labels if each.region == regions[0, "person"].region)
    x0, y0, x1, y1 = regions[0, "person"].box
    np.testing.assert_allclose(moved.box, (x0, y0, x1 + 0.25 * (x1 - x0), y1), atol=1e-3)
    assert moved.iou == pytest.approx(1 / 1.25, abs=1e-3)
    assert {each.labelled_by for each in found.labels} == {"anna"}
    assert {each.labelled_at for each in found.labels} == {NOW}
    assert {each.id for each in Labels(lake).read()} == {each.id for each in found.labels}


def test_a_copied_id_is_not_believed_and_a_box_on_nothing_is_named(lake: Lake, tmp_path: Path) -> None:
    [frame, *_] = frames = frames_of(lake, until=0.1)
    write_coco(tmp_path, frames, without_pictures(frames, subfolder="data"))
    read = json.loads((tmp_path / "labels.json").read_text())
    car = next(each for each in read["annotations"] if each["bbox"][0] < 0.1 * frame.width_px)
    walker = next(each for each in read["annotations"] if each is not car)
    copy = {**car, "id": 50, "bbox": walker["bbox"]}  # the car's id on the walker
    empty = {**car, "id": 51, "bbox": [0.6 * frame.width_px, 0, 20, 20]}
    read["annotations"] = [car, copy, empty]
    (tmp_path / "labels.json").write_text(json.dumps(read))
    found = said(lake, tmp_path)
    assert {each.region for each in found.labels} == {car["region"], walker["region"]}
    assert (found.by_id, found.by_place) == (1, 1)
    [sentence] = found.unmatched
    assert sentence.startswith("annotation 51: no region covers it")


def write_csv(path: Path, *rows: dict[str, str]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_rows_of_a_csv_say_verdicts_and_those_without_one_say_nothing(lake: Lake, tmp_path: Path) -> None:
    car, walker = frames_of(lake, until=0.1)[0].annotations
    path = write_csv(
        tmp_path / "said.csv",
        {"region_id": car.region, "label": "car", "verdict": "Wrong", "by": "ben", "at": "2026-04-01T10:00:00+02:00"},
        {"region_id": walker.region, "label": "person", "verdict": "", "by": "", "at": ""},
        {"region_id": "0" * 32, "label": "person", "verdict": "right", "by": "", "at": ""},
    )
    found = said(lake, path)
    [label] = found.labels
    assert (label.region, label.verdict, label.labelled_by) == (car.region, "wrong", "ben")
    assert label.labelled_at == datetime(2026, 4, 1, 8, tzinfo=UTC)
    assert found.unmatched == (f"line 4: the lake has no region {'0' * 32}",)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", "region,name\nr,n\n", "has the columns"),
        ("a.csv", "region,label,verdict\nr,car,maybe\n", "it is one of right, wrong"),
        ("a.csv", "region,label,at\nr,car,yesterday\n", "ISO 8601"),
        ("a.json", "{", "JSONDecodeError"),
        ("a.json", '{"a": 1}', "neither of COCO"),
        ("a.json", '{"images": [], "categories": [], "annotations": [{"id": 1}]}', "KeyError"),
        ("a.xml", "<annotations", "unclosed token"),
        ("a.xml", "<annotations><track/></annotations>", "CVAT for images 1.1"),
        ("a.doc", "", "ends in none of"),
        ("a.json", "[" * 100_000, "RecursionError"),
        (
            "a.json",
            '{"labels": {"a": [{"label": "a", "bounding_box": [1' + "0" * 400 + ", 0, 1, 1]}]}}",
            "OverflowError",
        ),
        ("a.json", '{"labels": {"a": [{"label": "\\ud800", "bounding_box": [0, 0, 1, 1]}]}}', "UnicodeEncodeError"),
        ("a.csv", "region,label\nr," + "x" * 200_000, "field limit"),
        ("a.csv", "region,label,at\nr,car,0001-01-01T00:00:00+23:00\n", "OverflowError"),
        ("a.xml", '<!DOCTYPE a [<!ENTITY a "aaaa">]><annotations>&a;</annotations>', "entities"),
        ("data.yaml", "names: [car", "no YAML"),
        ("data.yaml", "a: &a [x, x]\nb: &b [*a, *a]\nnames: [*b, *b]", "alias"),
        ("data.yaml", "names: [[car]]", "by a list"),
        ("data.yaml", "#" * 2**21, "more than 1 MiB"),
    ],
)
def test_a_file_that_is_none_is_refused_in_a_sentence(tmp_path: Path, name: str, content: str, expected: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InvalidValueError, match=expected) as refused:
        read_labels(tmp_path / name)
    assert "\n" not in str(refused.value)


def one_label(lake: Lake, *, label: str = "van", verdict: str = "right", by: str = "anna", hour: int = 1) -> HumanLabel:
    [frame, *_] = frames_of(lake, until=0.1)
    car = next(each for each in frame.annotations if each.box[0] < 0.1)
    x0, y0, x1, y1 = car.box
    at = NOW.replace(hour=hour)
    return HumanLabel(
        *(car.region, frame.id, frame.source_id, frame.source, frame.pts, frame.at_s, label, verdict),  # type: ignore[arg-type]
        *((x0, y0, x1, y1 - 0.02), 0.9, by, at, at, "csv"),
    )


def test_the_newest_statement_about_a_label_counts(lake: Lake) -> None:
    labels = Labels(lake)
    labels.add([one_label(lake, hour=3), one_label(lake, verdict="wrong", by="ben", hour=5)])
    labels.add([one_label(lake, label="car", hour=2)])
    [known] = judged(labels.read()).values()
    assert (known.label, known.verdict, known.wrong) == ("car", "right", {"van"})
    labels.add([one_label(lake, hour=6)])  # anna again: in place of what she said
    [known] = judged(labels.read()).values()
    assert (known.label, known.wrong, len(labels.read())) == ("van", frozenset(), 3)


def test_exports_and_sql_have_what_people_say(lake: Lake) -> None:
    label = one_label(lake)
    Labels(lake).add([label, one_label(lake, label="car", verdict="wrong")])
    [frame] = frames_of(lake, until=0.1)
    [van] = [each for each in frame.annotations if each.region == label.region]
    assert (van.label, van.verdict, van.confidence) == ("van", "right", None)
    np.testing.assert_allclose(van.box, label.box, atol=1e-6)
    rows = LakeRows(lake)
    asked = "SELECT label, human_label, verdict FROM regions WHERE verdict IS NOT NULL"
    assert run_sql(rows, asked).to_pylist() == [{"label": "car", "human_label": "van", "verdict": "right"}]
    asked = "SELECT label, human_label, count(*) AS n FROM objects WHERE source LIKE '%clip-0%' GROUP BY ALL ORDER BY 1"
    assert run_sql(rows, asked).to_pylist()[0] == {"label": "car", "human_label": "van", "n": 1}
    asked = "SELECT label, verdict, labelled_by FROM labels ORDER BY label"
    assert [row["label"] for row in run_sql(rows, asked).to_pylist()] == ["car", "van"]
    hidden = LakeRows(lake, allowed=frozenset({Street(1).source.id}))
    assert run_sql(hidden, "SELECT * FROM labels").num_rows == 0
    Labels(lake).add([one_label(lake, verdict="wrong", hour=9)])
    [frame] = frames_of(lake, until=0.1)
    assert label.region not in {each.region for each in frame.annotations}


def test_labels_need_no_lease_and_are_erased_with_their_source(lake: Lake) -> None:
    label = one_label(lake)
    with Committer(lake, plan=None, fold_shots=fold_shots, wait_s=1.0):
        Labels(Lake.open(lake.uri)).add([label])
    report = check(Lake.open(lake.uri))
    assert (report.ok, report.labels.stored, report.labels.gone) == (True, 1, 0)

    def held() -> list[Path]:
        files = [path for path in Path(lake.uri).rglob("*") if path.is_file()]
        return [path for path in files if label.region.encode() in path.read_bytes()]

    assert any("labels.lance" in str(path) for path in held())
    done = forget(
        lake,
        places_to_forget(lake, label.source_id),
        open_writer=lambda: Committer(lake, plan=None, fold_shots=fold_shots, wait_s=1.0),
        pinned=False,
        cache=Path(lake.uri).parent / "none",
    )
    assert (done.proved, done.labels, Labels(lake).read(), held()) == (True, 1, (), [])


def test_a_label_whose_region_is_gone_stays_and_is_counted(lake: Lake) -> None:
    Labels(lake).add([one_label(lake)])
    lake.table("regions").delete(f"id = '{one_label(lake).region}'")
    assert check(Lake.open(lake.uri)).labels.gone == 1
    assert run_sql(LakeRows(Lake.open(lake.uri)), "SELECT label FROM labels").num_rows == 1


def test_a_damaged_label_is_named_and_can_be_removed(lake: Lake) -> None:
    import lancedb

    labels = Labels(lake)
    labels.add([one_label(lake), one_label(lake, label="bus")])
    lancedb.connect(lake.uri).open_table("labels").update(where="label = 'bus'", values={"verdict": "perhaps"})
    with pytest.raises(LakeError, match="labels remove") as refused:
        labels.read()
    assert str(refused.value) in check(Lake.open(lake.uri)).problems
    assert labels.remove([str(refused.value).split()[-1]]) == 1
    assert [each.label for each in labels.read()] == ["van"]


def test_a_lake_of_an_older_release_takes_labels(tmp_path: Path) -> None:
    lake = Lake.open(str(shutil.copytree(OLD_LAKE, tmp_path / "old")))
    region = lake.read("regions", columns=["id"])["id"][0].as_py()
    path = write_csv(tmp_path / "said.csv", {"region": region, "label": "a test card"})
    assert len(said(lake, path).labels) == 1
    assert check(Lake.open(lake.uri)).ok
    [row] = run_sql(LakeRows(lake), "SELECT id FROM regions WHERE human_label = 'a test card'").to_pylist()
    assert row["id"] == region
