"""A label of a stored region."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pipeline.labels.label_table import HumanLabel, Verdict


def label_of(region: Mapping[str, Any], label: str, *, verdict: Verdict = "right") -> HumanLabel:
    """region: a row of `regions`."""
    at = datetime(2026, 5, 1, 12, tzinfo=UTC)
    place = {name: region[name] for name in ("frame", "source_id", "source", "pts", "pts_s")}
    box = (region["x0"], region["y0"], region["x1"], region["y1"])
    said = {"label": label, "verdict": verdict, "box": box, "iou": 1.0, "labelled_by": "anna", "format": "csv"}
    return HumanLabel(region=region["id"], **place, **said, labelled_at=at, imported_at=at)  # type: ignore[arg-type]
