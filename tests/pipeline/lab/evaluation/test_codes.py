"""Catches figures of codes that are too good: neighbours in the same picture, labels that are trained on, shares of
another float ranking than the one that re-ranks."""

import json
from pathlib import Path

import numpy as np
import pytest

from operators.encoders.catalogue import load_encoder
from pipeline.lab.evaluation.codes import CodedRegions, compared, evaluate_codes
from pipeline.lab.training.codes.fit import CodeTraining
from schemas.errors import SourceError
from schemas.vectors import normalise

QUICK = CodeTraining(epochs=2, batch=128, itq_rounds=2)


def regions(seed: int, n: int) -> CodedRegions:
    """Five kinds of things, three regions a picture, every other one labelled."""
    rng = np.random.default_rng(seed)
    kinds = np.random.default_rng(9).normal(size=(5, 320))
    kind = rng.integers(0, 5, n)
    x = normalise((kinds[kind] + 1.5 * rng.normal(size=(n, 320))).astype(np.float32))
    label = np.array([f"kind {k}" if i % 2 else None for i, k in enumerate(kind)], dtype=object)
    return CodedRegions(x, np.arange(n) // 3, label)


def test_every_way_is_measured_beside_float_vectors() -> None:
    table = compared(regions(0, 600), regions(1, 240), training=QUICK, on_progress=lambda _: None)
    rows = {row.name: row for row in table.rows}
    assert list(rows) == ["float vectors", "random", "itq", "learnt"]
    assert (table.trained, table.tested, table.objects) == (600, 240, 120)
    floats = rows["float vectors"].classes.value
    for row in table.rows[1:]:
        assert row.reranked is not None
        assert row.share == pytest.approx(row.reranked.value / floats)
        # 100 of 237 are in the order of their vectors: nearer to it than codes alone
        assert abs(row.reranked.value - floats) <= abs(row.classes.value - floats) + 0.01
    assert rows["itq"].neighbours is not None
    assert rows["learnt"].neighbours is not None
    assert table.gain.value == pytest.approx(rows["learnt"].neighbours.value - rows["itq"].neighbours.value)


def test_regions_of_the_same_picture_are_no_answer() -> None:
    test = regions(2, 60)
    # every region has its double in its own picture, and labels that occur in one picture alone
    doubled = CodedRegions(
        np.concatenate([test.x, test.x]),
        np.concatenate([test.picture, test.picture]),
        np.array([f"only {p}" for p in np.concatenate([test.picture, test.picture])], dtype=object),
    )
    doubled.label[0] = doubled.label[30] = "twice"
    table = compared(regions(0, 600), doubled, training=QUICK, on_progress=lambda _: None)
    assert table.objects == 2  # nothing else has its class in another picture


def test_folders_without_marks_are_refused() -> None:
    bare = regions(3, 30)
    bare.label[:] = None
    with pytest.raises(SourceError, match="no object is annotated"):
        compared(regions(0, 600), bare, training=QUICK, on_progress=lambda _: None)


def every_other_picture(folder: Path, made: Path) -> Path:
    """Half of a data set in COCO's format."""
    (made / "images").mkdir(parents=True)
    [annotations] = folder.glob("instances_*.json")
    marks = json.loads(annotations.read_text())
    marks["images"] = sorted(marks["images"], key=lambda image: str(image["file_name"]))[::2]
    kept = {image["id"] for image in marks["images"]}
    marks["annotations"] = [mark for mark in marks["annotations"] if mark["image_id"] in kept]
    (made / annotations.name).write_text(json.dumps(marks))
    for image in marks["images"]:
        (made / "images" / image["file_name"]).symlink_to(folder / "images" / image["file_name"])
    return made


@pytest.mark.data
def test_learnt_codes_preserve_neighbours_as_itq_does_and_better_than_random_ones_on_real_pictures(
    data_dir: Path, tmp_path: Path
) -> None:
    # on the many more pictures of the table in the lab, learnt codes are ahead; here the two are within the interval
    encoder = load_encoder("everyday")
    table = evaluate_codes([every_other_picture(data_dir / "coco-tiny", tmp_path / "coco")], encoder)
    encoder.close()
    neighbours = {row.name: row.neighbours for row in table.rows}
    random, itq, learnt = (neighbours[name] for name in ("random", "itq", "learnt"))
    assert random is not None
    assert random.high is not None
    assert itq is not None
    assert itq.low is not None
    assert learnt is not None
    assert random.high < itq.low <= learnt.value
    assert next(row.share for row in table.rows if row.name == "learnt") >= 0.95
