"""Watchers over lakes of random rows, and what they should find by the definition of the distance."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from operators.ranking.geometry import geometric_distance
from pipeline.lake.lake import Lake
from pipeline.watch.deliveries import Deliveries
from pipeline.watch.matcher import with_targets
from pipeline.watch.watch import Watch
from pipeline.watch.watch_state import WatchState
from pipeline.watch.watcher import Since, Watcher
from schemas.boxes import Boxes
from schemas.query import Query
from tests.pipeline.search.drawn import DrawnEncoder, compared_at_a_place

EVERYTHING = Watch("everything", Query(text="whatever"), 2.0)
CAR = Watch("red-car", Query(text="red car", box=(0.2, 0.3, 0.6, 0.8), weight=0.7, geometry="giou"), max_distance=0.62)
BOX = Watch("door", Query(box=(0.1, 0.1, 0.4, 0.4)), max_distance=0.7)


def watcher(
    lake: Lake,
    folder: Path,
    watches: Sequence[Watch] = (EVERYTHING,),
    *,
    since: Since = "now",
    deliveries: Deliveries | None = None,
    state: WatchState | None = None,
) -> Watcher:
    """Writes to hits.jsonl in `folder`, and keeps its state there."""
    targets = with_targets(watches, lake, DrawnEncoder())
    kept = state or WatchState(folder / "watch.sqlite")
    return Watcher(
        Lake.open(lake.uri),
        targets,
        kept,
        out=folder / "hits.jsonl",
        deliveries=deliveries,
        since=since,
        poll_s=0.02,
    )


def reported(folder: Path) -> list[dict[str, Any]]:
    path = folder / "hits.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def expected(lake: Lake, watch: Watch) -> dict[str, tuple[float, str | None]]:
    """Frame id → (distance, region id; None for the whole frame) of what is near enough, row by row."""
    query = watch.query
    vector = None if query.text is None else DrawnEncoder().encode_texts([query.text])[0].astype(np.float64)
    rows = [r | {"frame_id": r["frame"], "xyxy": (r["x0"], r["y0"], r["x1"], r["y1"])} for r in _rows(lake, "regions")]
    rows += [r | {"frame_id": r["id"], "xyxy": (0.0, 0.0, 1.0, 1.0), "id": "~"} for r in _rows(lake, "frames")]
    best: dict[str, tuple[float, str]] = {}
    for row in rows:
        x0, y0, x1, y1 = row["xyxy"]
        parts = []
        if vector is not None:
            parts.append(float(np.float32(1 - np.dot(np.array(row["vector"], np.float64), vector))))
        if query.box is not None:
            if not compared_at_a_place(row.get("proposer", "frame")):
                continue
            a0, b0, a1, b1 = query.box
            if min(x1, a1) <= max(x0, a0) or min(y1, b1) <= max(y0, b0):
                continue
            one = geometric_distance(
                Boxes(np.array([row["xyxy"]])), Boxes(np.array([query.box])), geometry=query.geometry
            )
            parts.append(float(one[0]))
        w = query.weight
        distance = parts[0] if len(parts) == 1 else float(np.float32(w * parts[0] + (1 - w) * parts[1]))
        if len(parts) == 2 and row["proposer"] == "moving":
            distance += query.prior * (0.3 - float(row["score"]))
        mine = (distance, row["id"])
        best[row["frame_id"]] = min(mine, best.get(row["frame_id"], mine))
    near = {frame: found for frame, found in best.items() if found[0] <= watch.max_distance}
    return {frame: (distance, None if region == "~" else region) for frame, (distance, region) in near.items()}


def _rows(lake: Lake, name: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = lake.read(name).to_pylist()
    return rows
