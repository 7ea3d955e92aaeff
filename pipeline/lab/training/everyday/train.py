"""Trains the head of the `everyday` model from local COCO folders: `regionlake lab train everyday --data FOLDER...`."""

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

from operators.encoders.everyday.backbone import EFFICIENTNET, Backbone
from operators.encoders.everyday.encoder import WEIGHTS, weights_revision
from operators.encoders.everyday.names import classifier_names
from operators.encoders.everyday.sentences import MINILM, SentenceEncoder
from pipeline.lab.datasets.coco_pictures import read_coco_pictures
from pipeline.lab.datasets.dataset import Dataset
from pipeline.lab.training.everyday.fit import FitConfig, fit_head
from pipeline.lab.training.everyday.prompts import everyday_prompts
from pipeline.lab.training.everyday.views import ViewConfig, training_views
from schemas.errors import InvalidValueError


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """data: COCO or YOLO folders of COCO's classes. split: needed if they have several. out: the file of weights to
    write. cache_dir: folder in which views are kept. threads: threads of the backbone; weights do not depend on it."""

    data: tuple[Path, ...]
    cache_dir: Path
    out: Path = WEIGHTS
    split: str | None = None
    views: ViewConfig = field(default_factory=ViewConfig)
    fit: FitConfig = field(default_factory=FitConfig)
    threads: int = 2

    def __post_init__(self) -> None:
        if not self.data:
            raise InvalidValueError("no folder to train from; give --data FOLDER")


@dataclass(frozen=True, slots=True)
class TrainReport:
    """The inputs and results of a training. revision: that of the weights, as on the model card."""

    pictures: int
    objects: int
    views: int
    seconds: float
    out: Path
    revision: str


def train_everyday(config: TrainConfig, *, on_progress: Callable[[int, int], None] | None = None) -> TrainReport:
    """Writes the weights to `config.out`, and what they were made of to a `.json` next to it.

    on_progress: called with (processed pictures, total number of pictures).

    The same folders, config and versions give the same file, byte for byte.
    """
    started = time.perf_counter()
    datasets = [read_coco_pictures(folder, split=config.split) for folder in config.data]
    pictures = [frame for dataset in datasets for frame in dataset.frames]
    backbone = Backbone(threads=config.threads)
    views = training_views(
        pictures,
        backbone,
        config=config.views,
        seed=config.fit.seed,
        cache_dir=config.cache_dir,
        on_progress=on_progress,
    )
    prompts = everyday_prompts(SentenceEncoder(), nouns=classifier_names())
    head = fit_head(views, prompts, backbone, config=config.fit)
    config.out.parent.mkdir(parents=True, exist_ok=True)
    head.save(config.out)
    report = TrainReport(
        pictures=len(pictures),
        objects=sum(dataset.objects for dataset in datasets),
        views=len(views),
        seconds=time.perf_counter() - started,
        out=config.out,
        revision=weights_revision(config.out),
    )
    config.out.with_suffix(".json").write_text(json.dumps(_origin(config, datasets, report), indent=2) + "\n")
    return report


def _origin(config: TrainConfig, datasets: Sequence[Dataset], report: TrainReport) -> dict[str, object]:
    """What the weights were made of, without anything that changes from run to run."""
    packages = ("torch", "onnxruntime", EFFICIENTNET.package, MINILM.package)
    return {
        "model": "everyday",
        "revision": report.revision,
        "pictures": dict(Counter(dataset.name for dataset in datasets for _ in dataset.frames)),
        "objects": report.objects,
        "views": report.views,
        "view_config": asdict(config.views),
        "fit_config": asdict(config.fit),
        "versions": {name: version(name) for name in packages},
    }
