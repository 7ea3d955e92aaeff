"""Calibrates a model on local COCO folders: `regionlake lab train confidence --data FOLDER...`."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operators.encoders.catalogue import load_encoder
from operators.encoders.encoder import Encoder
from operators.encoders.everyday.names import classifier_names
from operators.proposals.models.coco_classes import COCO_CLASSES, SYNONYMS
from operators.runtime.atomic_write import atomic_write
from pipeline.lab.datasets.dataset import LabelledFrame
from pipeline.lab.datasets.drawn_frames import drawn_frames
from pipeline.lab.training.confidence.fit import CalibrationConfig, fit_calibration
from pipeline.lab.training.confidence.vectors import LabelledVectors, PictureVectors, VectorConfig, picture_vectors
from schemas import require
from schemas.errors import InvalidValueError
from schemas.ids import digest
from schemas.vectors import VectorArray

_KINDS = ("regions", "frames", "objects")


@dataclass(frozen=True, slots=True)
class ConfidenceTraining:
    """data: COCO or YOLO folders of COCO's classes. split: needed if they have several. out: the file to write.

    model: as for `load_encoder`. pictures: the most to embed, drawn by a hash of their bytes. sibling: for `everyday`,
        whose head knows these pictures: the weights of a head of the same recipe that was trained without them. Chances
        are fitted to its vectors, as they are too good on pictures that a head knows.
    cache_dir: folder in which vectors are kept. threads: of the model; the calibration does not depend on it.
    """

    data: tuple[Path, ...]
    out: Path
    model: str
    cache_dir: Path
    pictures: int = 1500
    sibling: Path | None = None
    split: str | None = None
    threads: int | None = None
    vectors: VectorConfig = field(default_factory=VectorConfig)
    fit: CalibrationConfig = field(default_factory=CalibrationConfig)

    def __post_init__(self) -> None:
        require.at_least(1, pictures=self.pictures)
        if not self.data:
            raise InvalidValueError("no folder to train from; give --data FOLDER")
        require_sibling(self.sibling, model=self.model)


@dataclass(frozen=True, slots=True)
class ConfidenceReport:
    """pictures, regions: how many were embedded. nouns: of the log-partition. scale: the factor that was chosen.

    model: with the revision whose vectors are calibrated.
    """

    out: Path
    model: str
    pictures: int
    regions: int
    nouns: int
    scale: float
    seconds: float


def train_confidence(
    config: ConfidenceTraining, *, on_progress: Callable[[int, int], None] = lambda _done, _total: None
) -> ConfidenceReport:
    """Writes the calibration of a model to `config.out`, and what it was made of to a `.json` next to it.

    on_progress: called with (embedded pictures, total number of pictures).
    The same folders, config and versions give the same file, byte for byte.
    Raises ModelError for the model, SourceError for a folder, InvalidValueError where nothing is shown.
    """
    started = time.perf_counter()
    encoder = load_encoder(config.model, threads=config.threads, class_paths=True)
    teacher = encoder if config.sibling is None else sibling_encoder(config.sibling, threads=config.threads)
    try:
        space = encoder.space
        frames, folders = drawn_frames(config.data, most=config.pictures, split=config.split)
        pictures = kept_vectors(frames, teacher, config.vectors, cache_dir=config.cache_dir, on_progress=on_progress)
        words, classes = word_vectors(teacher)
        nouns, shares = noun_vectors(teacher)
        fitted = fit_calibration(
            pictures, words=words, word_classes=classes, nouns=nouns, shares=shares, config=config.fit
        )
        made = fitted if teacher is encoder else replace(fitted, nouns=noun_vectors(encoder)[0])
    finally:
        encoder.close()
        if teacher is not encoder:
            teacher.close()
    config.out.parent.mkdir(parents=True, exist_ok=True)
    made.save(config.out, revision=space.revision)
    origin = {
        "model": space.model,
        "revision": space.revision,
        "sibling": None if config.sibling is None else teacher.space.revision,
        "pictures": folders,
        "regions": len(pictures.regions),
        "vectors": asdict(config.vectors.regions),
        "proposals": config.vectors.proposals.use,
        "fit_config": asdict(config.fit),
    }
    config.out.with_suffix(".json").write_text(json.dumps(origin, indent=2) + "\n")
    return ConfidenceReport(
        config.out,
        f"{space.model}@{space.revision}",
        len(frames),
        len(pictures.regions),
        len(nouns),
        made.scale,
        time.perf_counter() - started,
    )


def require_sibling(sibling: Path | None, *, model: str) -> None:
    """Raises InvalidValueError for a sibling of a model that has none."""
    if sibling is not None and model != "everyday":
        raise InvalidValueError(f"a sibling is a head of the model everyday, and the model is {model}")


def sibling_encoder(weights: Path, *, threads: int | None) -> Encoder:
    """The model `everyday` with the weights of another head, under a revision of its own."""
    from operators.encoders.everyday.encoder import EverydayEncoder

    return EverydayEncoder(threads=threads, weights=weights)


def word_vectors(encoder: Encoder) -> tuple[VectorArray, NDArray[np.intp]]:
    """Vectors of the names and synonyms of COCO's classes, float32 (Q, D), and the class of each, intp (Q,)."""
    words = [(word, label) for label, name in enumerate(COCO_CLASSES) for word in (name, *SYNONYMS.get(name, ()))]
    return encoder.encode_texts([word for word, _ in words]), np.array([label for _, label in words], np.intp)


def noun_vectors(encoder: Encoder) -> tuple[VectorArray, VectorArray]:
    """Vectors of common nouns, float32 (K, D), and their shares of a log-partition, float32 (K,).

    Half of it are the names of ImageNet's 1,000 classes, half those of COCO's 80, which the others hardly have: there
    is no person among them.
    """
    names = (classifier_names(), COCO_CLASSES)
    shares = np.concatenate([np.full(len(each), 0.5 / len(each), np.float32) for each in names])
    return encoder.encode_texts([name for each in names for name in each]), shares


def kept_vectors(
    frames: Sequence[LabelledFrame],
    encoder: Encoder,
    config: VectorConfig,
    *,
    cache_dir: Path,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> PictureVectors:
    """`picture_vectors`, which take minutes, kept in `cache_dir` under a hash of everything that they depend on."""
    name = digest("calibrated", 1, encoder.space.to_json(), repr(config), *(_key(frame) for frame in frames))
    path = cache_dir / f"{name}.npz"
    if path.exists():
        with np.load(path) as file:
            return PictureVectors(
                *(
                    LabelledVectors(file[f"{kind}_vectors"], file[f"{kind}_shows"], file[f"{kind}_pictures"])
                    for kind in _KINDS
                )
            )
    made = picture_vectors(frames, encoder, config, classes=len(COCO_CLASSES), on_progress=on_progress)
    arrays = {
        f"{kind}_{part}": getattr(getattr(made, kind), part)
        for kind in _KINDS
        for part in ("vectors", "shows", "pictures")
    }
    with atomic_write(path) as file:
        np.savez(file, **arrays)
    return made


def _key(frame: LabelledFrame) -> bytes:
    objects = frame.objects
    return b"".join([frame.path.read_bytes(), objects.boxes.xyxy.tobytes(), objects.labels.tobytes()])
