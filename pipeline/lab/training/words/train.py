"""Trains a word from labels and verdicts: from the stored vectors of regions that people looked at, and of others."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from operators.encoders.calibration import calibration_of
from operators.encoders.encoder import Encoder
from pipeline.analysis.lake_rows import LakeRows
from pipeline.lab.training.words.fit import WordFit, fit_word
from pipeline.labels.label_table import Judged
from pipeline.labels.word_table import TrainedWord
from pipeline.lake.region_rows import corners_of
from pipeline.runtime.time_source import REAL_TIME, TimeSource
from pipeline.search.memory.decoding import vectors_of
from schemas import require
from schemas.boxes import Boxes
from schemas.errors import ModelError, QueryError
from schemas.ids import digest

_SCALE = 20.0  # of the prior, where the model has no calibration
_JUDGED = 5.0  # weight of a region that somebody called wrong; of one that was only sampled, 1


@dataclass(frozen=True, slots=True)
class WordTraining:
    """What a word is trained from.

    name: of the word. label: that people gave; None for the name. others: the most regions that are taken for not
    showing it: of those that nobody said anything about, none that covers one that shows it by an IoU of `near`.
    least: labels that are needed.
    """

    name: str
    label: str | None = None
    others: int = 5000
    near: float = 0.2
    least: int = 3
    fit: WordFit = field(default_factory=WordFit)

    def __post_init__(self) -> None:
        require.at_least(1, others=self.others, least=self.least)
        require.within("[0, 1]", near=self.near)


def train_word(
    rows: LakeRows, encoder: Encoder, training: WordTraining, *, time: TimeSource = REAL_TIME
) -> TrainedWord:
    """Trains a word for the lake's vectors of a model. The same labels and regions give the same word.

    encoder: of the column that is searched; its vector of the label's name is where the training begins.
    Raises QueryError where there are too few labels.
    """
    label = training.label or training.name
    known = rows.judged()
    column = rows.lake.column_of(encoder.space)
    names = ["id", "frame", "x0", "y0", "x1", "y1", "pts", column]
    found = rows.read("regions", names, where=f"{column} IS NOT NULL").sort_by("id")
    ids = found["id"].to_pylist()
    kind = np.array([_kind(known.get(id), label) for id in ids], np.int8)
    right, wrong = int((kind == 1).sum()), int((kind == -1).sum())
    if right < training.least:
        raise QueryError(
            f"{right} regions of {rows.lake.uri} are labelled {label!r}, and a word needs {training.least}: label some "
            "with `regionlake export` and `regionlake labels import`"
        )
    frames = found["frame"].to_pylist()
    corners = corners_of(found)
    free = np.flatnonzero((kind == 0) & ~_near(frames, corners, kind == 1, training.near))
    # by a hash of the ids, so that regions that are added later change the sample little
    turn = sorted(free.tolist(), key=lambda row: digest("sample", ids[row]))[: training.others]
    chosen = np.array(sorted([*np.flatnonzero(kind != 0).tolist(), *turn]), np.intp)
    vectors = vectors_of(found[column])["vector"][chosen].astype(np.float64)
    of_chosen = kind[chosen]
    weights = np.ones(len(chosen))
    weights[of_chosen == 0] = len(free) / max(1, len(turn))  # as all that they stand for
    weights[of_chosen == -1] = _JUDGED
    groups = [frames[row] for row in chosen]
    prior = _prior(encoder, label)
    fitted = fit_word(vectors, of_chosen == 1, weights, groups, prior=prior, config=training.fit)
    length = float(np.linalg.norm(fitted.direction))
    if length < 1e-6:
        raise QueryError(f"the regions that are labelled {label!r} have nothing in common that others lack")
    vector = (fitted.direction / length).astype(np.float32)
    return TrainedWord(training.name, encoder.space, vector, fitted.offset, length, right, wrong, len(turn), time.utc())


def _kind(said: Judged | None, label: str) -> int:
    """1 for a region that shows it, −1 for one that somebody says does not, 0 for others."""
    if said is None:
        return 0
    if said.label == label:
        return 1
    return -1 if label in said.wrong or said.label is not None else 0


def _near(frames: list[str], corners: NDArray[np.float32], shows: NDArray[np.bool_], iou: float) -> NDArray[np.bool_]:
    """bool (N,): regions that cover one of the same frame that shows it."""
    near = np.zeros(len(frames), np.bool_)
    of_frame: dict[str, list[int]] = {}
    for row, frame in enumerate(frames):
        of_frame.setdefault(frame, []).append(row)
    for frame in {frames[row] for row in np.flatnonzero(shows).tolist()}:
        at = np.array(of_frame[frame])
        own = Boxes(corners[at[shows[at]]])
        near[at] = (Boxes(corners[at]).iou(own) > iou).any(axis=1)
    return near


def _prior(encoder: Encoder, label: str) -> NDArray[np.float64]:
    """The direction of the label's name, as long as its cosines count in a confidence; zeros without words."""
    try:
        vector = encoder.encode_texts([label])[0].astype(np.float64)
    except ModelError:
        return np.zeros(encoder.space.dimension)
    calibration = calibration_of(encoder)
    scale = _SCALE if calibration is None else calibration.weights["words", "region"].cosine
    return np.asarray(scale * vector, np.float64)
