"""Catches mAP@50 of small objects that counts pictures with a large one, and figures of the wrong pictures."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from operators.proposals.models.coco_classes import COCO_CLASSES
from pipeline.lab.datasets.dataset import LabelledFrame, Objects
from pipeline.lab.evaluation.representatives import (
    GLOBAL,
    METHODS,
    RepresentativesEvaluation,
    _rows,
    _Scored,
    evaluate_representatives,
)
from schemas.boxes import Boxes
from schemas.errors import SourceError


def picture(*objects: tuple[int, float]) -> LabelledFrame:
    """200 by 200 px; objects: class, side in px."""
    boxes = Boxes(np.array([[0, 0, side / 200, side / 200] for _, side in objects], np.float32).reshape(-1, 4))
    labelled = Objects.of(boxes, labels=[c for c, _ in objects], width_px=200, height_px=200)
    return LabelledFrame(Path("p.jpg"), None, 200, 200, labelled)


def scored(value: float, *, dense: float) -> _Scored:
    def row(first: float) -> np.ndarray:
        return np.r_[first, np.zeros(len(COCO_CLASSES) - 1)].astype(np.float32)

    return _Scored(
        {GLOBAL: row(value)} | {name: row(dense) for name in METHODS}, {GLOBAL: 1} | dict.fromkeys(METHODS, 20)
    )


def test_average_precision_of_all_and_of_small_objects() -> None:
    pictures = [picture((0, 150)), picture((1, 50)), picture((0, 50), (0, 20)), picture((0, 40), (0, 180)), picture()]
    values = [(0.9, 0.5), (0.8, 0.1), (0.7, 0.9), (0.6, 0.6), (0.1, 0.2)]
    rows = _rows(pictures, [scored(v, dense=d) for v, d in values], dimension=16)
    whole, dense = rows[0], rows[1]
    truth = [1, 0, 1, 1, 0]
    # class 1 is shown by picture 1 alone, which stands second of five equal scores of 0
    assert whole.all.value == pytest.approx((average_precision_score(truth, [v for v, _ in values]) + 1 / 2) / 2)
    assert dense.all.value == pytest.approx((average_precision_score(truth, [d for _, d in values]) + 1 / 2) / 2)
    # small ones: pictures 0 and 3 show a large one and are omitted; of 1, 2 and 4, the second is relevant
    assert whole.small.value == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert dense.small.value == pytest.approx((1 + 1 / 2) / 2)
    assert dense.gain is not None
    assert dense.gain.value == pytest.approx(0.25)
    assert (whole.bytes, dense.vectors, dense.bytes) == (32, 20, 640)


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="not a COCO folder"):
        evaluate_representatives(RepresentativesEvaluation((tmp_path,), tmp_path))
