"""The whole measurement from a folder to figures, by the command. Catches frames that are judged by another frame's
truth, lakes that are ingested again, and a printed command that gives other figures."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from deploy.cli.main import app
from pipeline.lab.datasets.dataset import ClassName, Dataset
from pipeline.lab.evaluation.retrieval.compared_methods import parse_methods
from pipeline.lab.evaluation.retrieval.gallery import Gallery, source_ids
from pipeline.lab.evaluation.retrieval.measure import Draw, measure
from pipeline.lab.evaluation.retrieval.prepare import prepare
from pipeline.plan.plan import Plan
from pipeline.plan.plan_file import load_plan
from schemas.errors import LakeError, QueryError
from tests.pipeline.lab.evaluation.retrieval.galleries import frame_of

SETTINGS = ('proposals.use=["grid"]', "proposals.grid.cells=[2]", "regions.mode=pool")


@pytest.fixture(scope="module")
def folder(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five real pictures with their cats, giraffes and pizzas, and a copy of one without."""
    document = json.loads((data_dir / "coco-mini" / "instances_train2017.json").read_text())
    names = {c["id"]: c["name"] for c in document["categories"]}
    shown: dict[int, set[str]] = {}
    for entry in document["annotations"]:
        shown.setdefault(entry["image_id"], set()).add(names[entry["category_id"]])
    wanted = ("cat", "giraffe", "pizza")
    images = [image for image in document["images"] if shown.get(image["id"], set()) & set(wanted)][:5]
    ids = {image["id"] for image in images}
    into = tmp_path_factory.mktemp("pictures")
    (into / "images").mkdir()
    for image in images:
        name = Path(image["file_name"]).name
        (into / "images" / name).write_bytes((data_dir / "coco-mini" / "images" / name).read_bytes())
    copy = {**images[0], "id": 1, "file_name": "z-copy.jpg"}
    (into / "images" / "z-copy.jpg").write_bytes((into / "images" / Path(images[0]["file_name"]).name).read_bytes())
    annotations = [
        entry for entry in document["annotations"] if entry["image_id"] in ids and names[entry["category_id"]] in wanted
    ]
    part = {**document, "images": [*images, copy], "annotations": annotations}
    (into / "instances_part.json").write_text(json.dumps(part))
    return into


@pytest.mark.data
def test_the_command_prints_what_makes_its_figures_and_makes_them_again(folder: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    given = ["eval", "search", str(folder), "--methods", "global,regions", "--lake", str(tmp_path)]
    for setting in SETTINGS:
        given += ["--set", setting]
    first = runner.invoke(app, [*given, "--json"], catch_exceptions=False)
    assert first.exit_code == 0
    table = json.loads(first.stdout)
    assert (table["layout"], table["frames"], table["copies"]) == ("coco", 5, 1)
    assert table["plans"]["global"] == table["plans"]["regions"]  # one lake
    (classes,) = table["tasks"]
    by_method = {row["method"]: row for row in classes["rows"] if row["subset"] == "all"}
    assert set(by_method) == {"global", "regions"}
    assert by_method["global"]["measures"]["Recall@5"]["value"] > 0.8  # of five pictures
    assert by_method["global"]["gain"] is None
    assert by_method["regions"]["gain"]["count"] == classes["questions"]["all"]
    assert table["bytes_a_frame"]["global"] == 2 * 128
    program, *words = shlex.split(table["command"])
    assert program == "regionlake"
    assert "--lake" not in words
    lakes = list(tmp_path.glob("*/*"))
    again = runner.invoke(app, [*words, "--lake", str(tmp_path)], catch_exceptions=False)
    assert list(tmp_path.glob("*/*")) == lakes
    assert again.stdout.splitlines()[0] == table["command"]
    value = by_method["regions"]["measures"]["mAP@50"]["value"]
    assert f"{value:.3f}".removeprefix("0") in again.stdout


def test_answers_are_judged_by_the_frame_that_was_found(tmp_path: Path) -> None:
    """Plain colours: a box in a colour of its own is found in the frames that have it, wherever their files come."""
    frames = []
    for number, things in enumerate(([(0, (0.0, 0.0, 0.5, 1.0))], [], [(0, (0.0, 0.0, 0.5, 1.0))], [], [], [])):
        frame = frame_of(number, things)
        pixels = np.full((200, 200, 3), 120 + 10 * number, np.uint8)
        if things:
            pixels[:, :100] = (250, 20, 20)
        path = tmp_path / f"{number}.png"
        Image.fromarray(pixels).save(path)
        frames.append(replace(frame, path=path))
    dataset = Dataset("colours", "coco", (ClassName("red wall"),), tuple(frames))
    assert len(set(source_ids(dataset).values())) == 6

    def plan_of(needed: tuple[str, ...], own: tuple[str, ...]) -> Plan:
        return load_plan(overrides=[*needed, *SETTINGS, *own])

    prepared = prepare(dataset, parse_methods("regions,growing"), every=1, plan_of=plan_of, lakes=tmp_path / "lakes")
    classes, rois = measure(prepared, Draw(), tasks=("classes", "rois")).tasks
    row, grown = rois.rows
    assert (row.method, grown.method, rois.questions) == ("regions", "growing", {"all": 2})
    assert row.measures["R@1"].value == row.measures["MRR"].value == 1.0
    assert row.measures["IoU"].value > 0.4  # a cell or two of the red half
    # words have no patches to grow a region of: named, and the other method is measured
    assert list(classes.ms) == ["regions"]
    assert list(classes.unanswered) == ["growing"]
    with pytest.raises(QueryError, match="colours gives no question of the task 'captions'"):
        measure(prepared, Draw(), tasks=("captions",))
    further = tmp_path / "further.png"
    Image.fromarray(np.zeros((200, 200, 3), np.uint8)).save(further)
    larger = replace(dataset, frames=(*frames, replace(frames[1], path=further)))
    with pytest.raises(LakeError, match=r"further\.png is not in .*ingest the data set again"):
        Gallery.of(larger, source_ids(larger), prepared.methods[0].lake)
