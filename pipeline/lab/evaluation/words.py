"""How much labels help: what people labelled in half of the pictures is searched for in the other half.

Of pictures these are classes, in every second one. Of a video they are individuals, each by "a person", in its first
half: an answer is a frame whose hit shows that one.
People are simulated by the truth: they look at the half, and label every region that covers an object of the class.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operators.encoders.catalogue import load_encoder
from operators.encoders.encoder import Encoder
from pipeline.analysis.lake_rows import LakeRows
from pipeline.lab.evaluation.metrics import Estimate, average_precision_at, bootstrapped
from pipeline.lab.evaluation.retrieval.feedback import FeedbackTask, feedback_questions, shows
from pipeline.lab.evaluation.retrieval.gallery import Gallery
from pipeline.lab.evaluation.retrieval.prepare import Prepared
from pipeline.lab.evaluation.retrieval.question import RELEVANT, UNJUDGED, Question
from pipeline.lab.training.words.train import WordTraining, train_word
from pipeline.labels.label_table import HumanLabel, Labels
from pipeline.labels.word_table import Words
from pipeline.lake.lake import Lake
from pipeline.runtime.time_source import REAL_TIME
from pipeline.search.searcher import Searcher
from schemas.boxes import Boxes
from schemas.errors import QueryError
from schemas.query import Hit

SIMULATED = "simulated"  # who says so
_COVERS = 0.5  # IoU with an object from which a region shows it


@dataclass(frozen=True, slots=True)
class WordsRow:
    """The classes with at least `labels` labelled regions each, and mean average precisions over the other half."""

    labels: str
    classes: int
    words: Estimate
    trained: Estimate
    gain: Estimate


@dataclass(frozen=True, slots=True)
class WordsTable:
    """What labels gain, by their number. frames: of the half that is searched."""

    dataset: str
    frames: int
    rows: tuple[WordsRow, ...]


def evaluate_words(
    prepared: Prepared,
    *,
    budgets: Sequence[int],
    least: int = 3,
    seed: int = 0,
    on_progress: Callable[[str], None] = lambda _: None,
) -> WordsTable:
    """Trains a word for each class by the real path (labels in the lake, then `train_word`), and searches for its name
    and for the word by the real search.

    budgets: how many regions of a class are labelled at most; 0 for all of the half. least: a class needs so many
    labelled regions in one half, and so many frames that show it in the other. The lake's labels and words are
    replaced. Raises QueryError where no class has them.
    """
    (made,) = prepared.methods
    gallery = prepared.gallery
    task: FeedbackTask = "classes" if prepared.dataset.video is None else "individuals"
    numbers = np.arange(len(gallery))
    learnt = numbers % 2 == 0 if task == "classes" else numbers < len(gallery) / 2
    questions = feedback_questions(prepared, task)
    shown = _labels(made.lake, gallery, questions, learnt)
    asked = {
        number: _of_half(question, ~learnt)
        for number, question in enumerate(questions)
        if (question.judged[~learnt] == RELEVANT).sum() >= least and len(shown[number]) >= least
    }
    usable = list(asked)
    if not usable:
        raise QueryError(f"no class of {prepared.dataset.name} is shown often enough in both halves")
    encoder = load_encoder(made.plan.model, class_paths=True)
    searcher = Searcher(made.lake, encoder, regions=made.plan.regions)
    try:
        on_progress("names of classes")
        before = np.array([_precision(searcher, asked[each], gallery, task) for each in usable])
        rows = []
        for budget in budgets:
            after = np.empty(len(usable))
            for at, number in enumerate(usable):
                on_progress(f"{budget or 'all'} labels: class {at + 1} of {len(usable)}")
                word = _trained(made.lake, encoder, number, shown[number][: budget or None])
                question = replace(asked[number], query=replace(asked[number].query, text=f"word:{word}"))
                after[at] = _precision(searcher, question, gallery, task)
            estimates = [bootstrapped(each, seed=seed) for each in (before, after, after - before)]
            rows.append(WordsRow(str(budget) if budget else "all", len(usable), *estimates))
    finally:
        searcher.close()
        encoder.close()
    return WordsTable(prepared.dataset.name, int((~learnt).sum()), tuple(rows))


def _trained(lake: Lake, encoder: Encoder, number: int, labels: Sequence[HumanLabel]) -> str:
    """The name of a word that was trained from these labels, which replace others."""
    stored = Labels(lake)
    stored.remove(stored.stored_ids())
    stored.add(labels)
    name = f"{labels[0].label} {number}"  # several individuals have one label
    Words(lake).add(train_word(LakeRows(lake), encoder, WordTraining(name, label=labels[0].label, least=1)))
    return name


def _of_half(question: Question, half: NDArray[np.bool_]) -> Question:
    judged = np.where(half, question.judged, UNJUDGED).astype(question.judged.dtype)
    return replace(question, judged=judged)


def _labels(
    lake: Lake, gallery: Gallery, questions: Sequence[Question], learnt: NDArray[np.bool_]
) -> list[list[HumanLabel]]:
    """Labels of the regions of the learnt half that show what each question asks: first one of each frame."""
    names = ["id", "frame", "source_id", "source", "pts", "pts_s", "x0", "y0", "x1", "y1"]
    of_frame: dict[str, list[dict[str, Any]]] = {}
    for row in lake.read("regions", columns=names).sort_by("id").to_pylist():
        of_frame.setdefault(row["frame"], []).append(row)
    now = REAL_TIME.utc()
    found = []
    for question in questions:
        ranked: list[tuple[int, int, HumanLabel]] = []
        for number, boxes in question.places.items():
            rows = of_frame.get(gallery.frame_id(number), [])
            if not learnt[number] or not rows:
                continue
            corners = np.array([[row[side] for side in ("x0", "y0", "x1", "y1")] for row in rows], np.float32)
            iou = Boxes(corners).iou(boxes).max(axis=1)
            for turn, at in enumerate(np.flatnonzero(iou >= _COVERS).tolist()):
                row = rows[at]
                x0, y0, x1, y1 = corners[at].tolist()
                label = HumanLabel(
                    region=row["id"],
                    frame=row["frame"],
                    source_id=row["source_id"],
                    source=row["source"],
                    pts=row["pts"],
                    pts_s=row["pts_s"],
                    label=question.query.text or "",
                    verdict="right",
                    box=(x0, y0, x1, y1),
                    iou=float(iou[at]),
                    labelled_by=SIMULATED,
                    labelled_at=now,
                    imported_at=now,
                    format="csv",
                )
                ranked.append((turn, number, label))
        found.append([label for _, _, label in sorted(ranked, key=lambda each: each[:2])])
    return found


def _precision(searcher: Searcher, question: Question, gallery: Gallery, task: FeedbackTask) -> float:
    """The average precision over all frames that are judged."""
    hits: tuple[Hit, ...] = searcher.search(replace(question.query, k=len(gallery))).hits
    numbered = [(number, hit) for hit in hits if (number := gallery.number(hit)) is not None]
    answers = [
        bool(question.judged[number] == RELEVANT) and (task == "classes" or shows(hit, question, number, task))
        for number, hit in numbered
        if question.judged[number] != UNJUDGED
    ]
    return average_precision_at(np.array(answers, np.bool_), relevant=question.relevant, k=len(gallery))
