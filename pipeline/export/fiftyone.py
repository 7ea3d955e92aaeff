"""FiftyOne's own JSON, FiftyOneImageDetectionDataset (https://docs.voxel51.com/user_guide/import_datasets.html)."""

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from pipeline.export.dataset import ExportedFrame, Pictures, label_names

PICTURES = "data"


def write_fiftyone(folder: Path, frames: Sequence[ExportedFrame], pictures: Pictures) -> list[Path]:
    """`labels.json`: boxes as x, y, width and height in fractions of the picture, with the ids of the lake as
    attributes."""
    names = label_names(frames)
    number = {name: at for at, name in enumerate(names)}
    labels = {}
    for frame in frames:
        found = []
        for each in frame.annotations:
            x0, y0, x1, y1 = each.box
            entry: dict[str, object] = {"label": number[each.label], "bounding_box": [x0, y0, x1 - x0, y1 - y0]}
            if each.confidence is not None:
                entry["confidence"] = each.confidence
            about = {"region": each.region, "source": frame.source, "at_s": frame.at_s, "track": each.track}
            found.append(entry | {"attributes": {name: value for name, value in about.items() if value is not None}})
        labels[PurePosixPath(pictures[frame.id].path).stem] = found
    path = folder / "labels.json"
    path.write_text(json.dumps({"classes": names, "labels": labels}, ensure_ascii=False), encoding="utf-8")
    return [path]
