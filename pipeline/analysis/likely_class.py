"""The likeliest class of a region: its own label, or the name among COCO's classes that its vector shows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operators.encoders.calibration import Calibration, Evidence, calibration_of, chance
from operators.encoders.encoder import Encoder
from operators.proposals.models.coco_classes import COCO_CLASSES
from pipeline.lake.lake import Lake
from pipeline.lake.lake_encoder import load_lake_encoder

_ROWS = 65_536  # rows whose log-odds are computed together: 42 MB for 80 classes


@dataclass(frozen=True, slots=True, eq=False)
class ClassOdds:
    """Computes log-odds that region vectors show each class. names: of the K classes."""

    names: tuple[str, ...]
    calibration: Calibration
    evidence: tuple[Evidence, ...]

    def __call__(self, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """float32 (N, K): log-odds that each vector shows each class. vectors: float (N, D), of regions."""
        found = np.empty((len(vectors), len(self.names)), np.float32)
        of_classes = np.stack([each.vector for each in self.evidence], axis=1)
        for start in range(0, len(vectors), _ROWS):
            rows = vectors[start : start + _ROWS].astype(np.float64)
            partition = self.calibration.log_partition(rows)
            cosines = rows @ of_classes
            for number, each in enumerate(self.evidence):
                found[start : start + _ROWS, number] = each.log_odds(cosines[:, number], partition, kind="region")
        return found


def class_odds(lake: Lake, *, names: Sequence[str] = COCO_CLASSES) -> ClassOdds | None:
    """What computes log-odds of the classes for the lake's own vectors; None where its model is not calibrated.

    It loads the model, whose side for words takes a second. Raises ModelError where that cannot be loaded.
    """
    encoder = load_lake_encoder(lake)
    try:
        return odds_by(encoder, names=names)
    finally:
        encoder.close()


def odds_by(encoder: Encoder, *, names: Sequence[str] = COCO_CLASSES) -> ClassOdds | None:
    """As `class_odds`, by a model that is loaded."""
    calibration = calibration_of(encoder)
    if calibration is None:
        return None
    vectors = encoder.encode_texts(list(names))
    return ClassOdds(tuple(names), calibration, tuple(calibration.evidence(each, "words") for each in vectors))


FindOdds = Callable[[Lake], ClassOdds | None]


@dataclass(frozen=True, slots=True)
class LikelyClass:
    """confidence: the chance, in [0, 1], that the thing is of the class; None where the label is a proposer's own, or
    nothing is known."""

    label: str | None
    confidence: float | None


def likely_class(
    labels: Sequence[str | None], scores: NDArray[np.floating], odds: NDArray[np.floating] | None, names: Sequence[str]
) -> LikelyClass:
    """The class of the N regions of one thing.

    labels: that proposers gave; the one with the greatest sum of scores is taken. scores: float (N,).
    odds: float (N, K), log-odds of `names`, whose means over the regions decide where there is no label; None where
    these are unknown.
    """
    given: dict[str, float] = {}
    for label, score in zip(labels, scores.tolist(), strict=True):
        if label is not None:
            given[label] = given.get(label, 0.0) + score
    if given:
        return LikelyClass(max(sorted(given), key=given.__getitem__), None)
    if odds is None or not len(odds):
        return LikelyClass(None, None)
    means = odds.mean(axis=0, dtype=np.float64)
    best = int(means.argmax())
    return LikelyClass(names[best], float(chance(means[best : best + 1])[0]))
