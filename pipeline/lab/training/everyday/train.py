"""Trains the head of the `everyday` model: `regionlake lab train everyday --data FOLDER... --captions FOLDER`."""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np

from operators.encoders.everyday.backbone import EFFICIENTNET, Backbone
from operators.encoders.everyday.encoder import WEIGHTS, weights_revision
from operators.encoders.everyday.names import classifier_names
from operators.encoders.everyday.sentences import MINILM, SentenceEncoder
from pipeline.lab.datasets.coco_pictures import read_coco_pictures
from pipeline.lab.datasets.drawn_frames import drawn_frames, picture_key
from pipeline.lab.datasets.flickr8k import read_flickr8k
from pipeline.lab.training.everyday.captions import caption_vectors
from pipeline.lab.training.everyday.fit import FitConfig, fit_head
from pipeline.lab.training.everyday.prompts import everyday_prompts
from pipeline.lab.training.everyday.views import ViewConfig, training_views
from schemas import require
from schemas.errors import InvalidValueError


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """data: COCO or YOLO folders of COCO's classes. split: needed if they have several. captions: folders with captions
    as Flickr8k's, of which the split `train` is read. out: the file of weights to write. cache_dir: folder in which
    views and sentence vectors are kept. threads: threads of the backbone; weights do not depend on it. without: number
    of labelled pictures that are omitted, which `drawn_frames` draws: those on which confidences are then fitted."""

    data: tuple[Path, ...]
    cache_dir: Path
    out: Path = WEIGHTS
    split: str | None = None
    captions: tuple[Path, ...] = ()
    views: ViewConfig = field(default_factory=ViewConfig)
    fit: FitConfig = field(default_factory=FitConfig)
    threads: int = 2
    without: int = 0

    def __post_init__(self) -> None:
        require.at_least(0, without=self.without)
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


def train_everyday(
    config: TrainConfig,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> TrainReport:
    """Writes the weights to `config.out`, and what they were made of to a `.json` next to it.

    on_progress: called with (processed pictures, total number of pictures). on_step: with (steps, total) of the fit.
    A run that was interrupted continues with the pictures that are in the cache.

    The same folders, config and versions give the same file, byte for byte.
    """
    started = time.perf_counter()
    datasets = [read_coco_pictures(folder, split=config.split) for folder in config.data]
    datasets += [read_flickr8k(folder, split="train") for folder in config.captions]
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
    of_folder = [dataset.name for dataset in datasets for _ in dataset.frames]
    keep = np.ones(len(pictures), np.bool_)
    if config.without:
        drawn, _ = drawn_frames(config.data, most=config.without, split=config.split)
        omitted = {picture_key(frame) for frame in drawn}
        keep = np.array([picture_key(picture) not in omitted for picture in pictures])
        views = views.where(keep[views.pictures])
    used = np.flatnonzero(keep).tolist()
    sentences = SentenceEncoder()
    prompts = everyday_prompts(sentences, nouns=classifier_names())
    captions = caption_vectors(pictures, sentences, cache_dir=config.cache_dir, threads=config.threads)
    head = fit_head(views, prompts, captions, backbone, config=config.fit, on_progress=on_step)
    config.out.parent.mkdir(parents=True, exist_ok=True)
    head.save(config.out)
    report = TrainReport(
        pictures=len(used),
        objects=sum(len(pictures[i].objects) for i in used),
        views=len(views),
        seconds=time.perf_counter() - started,
        out=config.out,
        revision=weights_revision(config.out),
    )
    origin = _origin(config, Counter(of_folder[i] for i in used), report)
    config.out.with_suffix(".json").write_text(json.dumps(origin, indent=2) + "\n")
    return report


def _origin(config: TrainConfig, pictures: Mapping[str, int], report: TrainReport) -> dict[str, object]:
    """What the weights were made of, without anything that changes from run to run."""
    packages = ("torch", "onnxruntime", EFFICIENTNET.package, MINILM.package)
    return {
        "model": "everyday",
        "revision": report.revision,
        "pictures": dict(pictures),
        "objects": report.objects,
        "without": config.without,
        "views": report.views,
        "view_config": asdict(config.views),
        "fit_config": asdict(config.fit),
        "versions": {name: version(name) for name in packages},
    }
