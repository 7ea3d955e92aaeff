"""Trains the head of objects: `regionlake lab train objects --data FOLDER...`."""

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np

from operators.encoders.everyday.backbone import EFFICIENTNET, Backbone
from operators.proposals.objects.graph import draw_objects
from operators.proposals.objects.head import WEIGHTS, ObjectHead, objects_revision
from pipeline.lab.datasets.coco_pictures import read_coco_pictures
from pipeline.lab.datasets.dataset import LabelledFrame
from pipeline.lab.training.objects.fit import ObjectFitConfig, fit_objects
from pipeline.lab.training.objects.passes import PassConfig, View, training_passes
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.ids import digest
from schemas.vectors import FeatureMap

_COUNTS = (8, 16, 32)
_LEAST_PX = 22.4  # objects that are measured: 32 px of a picture of 640 px, in a pass of 448 px


@dataclass(frozen=True, slots=True)
class TrainObjectsConfig:
    """data: COCO or YOLO folders of COCO's classes. split: needed if they have several. out: the graph to write.

    held_out: of so many pictures one is kept out of training, and measured; 0 keeps none out.
    cache_dir: folder in which passes are kept, some 0.9 MB a picture. threads: the result does not depend on it.
    """

    data: tuple[Path, ...]
    cache_dir: Path
    out: Path = WEIGHTS
    split: str | None = None
    held_out: int = 20
    passes: PassConfig = field(default_factory=PassConfig)
    fit: ObjectFitConfig = field(default_factory=ObjectFitConfig)
    threads: int = 2

    def __post_init__(self) -> None:
        if not self.data:
            raise InvalidValueError("no folder to train from; give --data FOLDER")


@dataclass(frozen=True, slots=True)
class TrainObjectsReport:
    """pictures, objects, views: what was trained on. recall: share of the objects of pictures kept out that are found
    at IoU >= 0.5, by the number of boxes a picture; empty if none were kept out. revision: that of the head."""

    pictures: int
    objects: int
    views: int
    recall: dict[int, float]
    seconds: float
    out: Path
    revision: str


def train_objects(
    config: TrainObjectsConfig,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> TrainObjectsReport:
    """Writes the graph with its weights to `config.out`, and what they were made of to a `.json` next to it.

    on_progress: called with (passes of the backbone, their total number). on_step: with (steps, total) of the fit.
    A run that was interrupted continues with the passes that are in the cache, and with the last state of the fit.

    The same folders, config and versions give the same file, byte for byte.
    """
    started = time.perf_counter()
    datasets = [read_coco_pictures(folder, split=config.split) for folder in config.data]
    pictures = [frame for dataset in datasets for frame in dataset.frames]
    views = training_passes(
        pictures,
        Backbone(threads=config.threads),
        config=config.passes,
        cache_dir=config.cache_dir / "objects",
        on_progress=on_progress,
    )
    kept_out = set(range(config.held_out - 1, len(pictures), config.held_out)) if config.held_out else set()
    seen = [view for view in views if view.picture not in kept_out]
    name = digest("fit", Backbone.revision, repr((config.passes, config.fit, config.held_out)), *map(_key, pictures))
    weights = fit_objects(
        seen,
        config=config.fit,
        threads=config.threads,
        state=config.cache_dir / "objects" / f"{name}.pt",
        on_progress=on_step,
    )
    config.out.parent.mkdir(parents=True, exist_ok=True)
    config.out.write_bytes(draw_objects(weights).SerializeToString(deterministic=True))
    first = {view.picture: view for view in reversed(views) if view.picture in kept_out}
    report = TrainObjectsReport(
        pictures=len(pictures) - len(kept_out),
        objects=sum(len(picture.objects) for i, picture in enumerate(pictures) if i not in kept_out),
        views=len(seen),
        recall=_recall(list(first.values()), ObjectHead(config.out)) if first else {},
        seconds=time.perf_counter() - started,
        out=config.out,
        revision=objects_revision(config.out),
    )
    origin = {
        "model": "objects",
        "revision": report.revision,
        "backbone": Backbone.revision,
        "pictures": dict(Counter(dataset.name for dataset in datasets for _ in dataset.frames)),
        "kept_out": len(kept_out),
        "objects": report.objects,
        "views": report.views,
        "recall_of_kept_out": {str(count): round(share, 4) for count, share in report.recall.items()},
        "pass_config": asdict(config.passes),
        "fit_config": asdict(config.fit),
        "versions": {name: version(name) for name in ("torch", "onnxruntime", "onnx", EFFICIENTNET.package)},
    }
    config.out.with_suffix(".json").write_text(json.dumps(origin, indent=2) + "\n")
    return report


def _key(picture: LabelledFrame) -> bytes:
    return picture.path.name.encode() + picture.objects.boxes.xyxy.tobytes()


def _recall(views: Sequence[View], head: ObjectHead) -> dict[int, float]:
    """The share of the objects that are found, by the number of boxes a picture."""
    best: dict[int, list[np.ndarray]] = {count: [] for count in _COUNTS}
    for view in views:
        levels = tuple(level.astype(np.float32) for level in view.levels())
        size = np.array([view.width_px, view.height_px] * 2, np.float32)
        large = (view.boxes[:, 2:] - view.boxes[:, :2]).min(axis=1, initial=np.inf) >= _LEAST_PX
        truth = Boxes.clipped(view.boxes[large] / size)
        found, _ = head(FeatureMap(levels), limit=max(_COUNTS), least_score=0.0, max_iou=0.7)
        for count in _COUNTS:
            best[count].append(truth.iou(found[:count]).max(axis=1, initial=0.0))
    return {count: float((np.concatenate(iou) >= 0.5).mean()) for count, iou in best.items()}
