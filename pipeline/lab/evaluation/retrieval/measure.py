"""Measures methods of search: runs every question of a task through the real searcher, judges hits, and bootstraps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from operators.encoders.catalogue import load_encoder
from operators.encoders.encoder import Encoder
from pipeline.lab.datasets.dataset import Dataset
from pipeline.lab.evaluation.metrics import Estimate, bootstrapped
from pipeline.lab.evaluation.retrieval.by_box import box_questions
from pipeline.lab.evaluation.retrieval.by_caption import caption_questions
from pipeline.lab.evaluation.retrieval.by_class import class_questions
from pipeline.lab.evaluation.retrieval.by_roi import roi_questions
from pipeline.lab.evaluation.retrieval.by_zone import zone_questions
from pipeline.lab.evaluation.retrieval.gallery import Gallery
from pipeline.lab.evaluation.retrieval.judge import MEASURES, judge
from pipeline.lab.evaluation.retrieval.prepare import Prepared, PreparedMethod
from pipeline.lab.evaluation.retrieval.question import Question, Task
from pipeline.lab.evaluation.retrieval.storage import bytes_a_frame
from pipeline.lab.evaluation.retrieval.tables import RetrievalTable, Row, TaskTable
from pipeline.search.searcher import Searcher
from schemas import require
from schemas.errors import QueryError
from schemas.query import Query, SearchResult

Measured = list[dict[str, float]]  # one per question: measure → value


@dataclass(frozen=True, slots=True)
class Draw:
    """queries: maximum number per task, drawn by `seed`; classes are all used. seed: used for the bootstrap, too."""

    queries: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        require.at_least(1, queries=self.queries)


def parse_tasks(text: str) -> tuple[Task, ...]:
    """`classes,captions` → these tasks. Raises QueryError for an unknown task."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names or not set(names) <= set(MEASURES):
        raise QueryError(f"tasks are some of {', '.join(MEASURES)}, got {text!r}")
    return tuple(task for task in MEASURES if task in names)


def tasks_of(dataset: Dataset) -> tuple[Task, ...]:
    """The default tasks of a data set: boxes and individuals of a video, classes and captions of pictures."""
    if dataset.video is not None:
        return ("boxes", "rois")
    captions: tuple[Task, ...] = ("captions",) if any(frame.captions for frame in dataset.frames) else ()
    return ("classes", *captions) if dataset.objects else captions


def measure(
    prepared: Prepared, draw: Draw, *, tasks: Sequence[Task], on_progress: Callable[[str], None] = lambda _: None
) -> RetrievalTable:
    """Runs every question of every task by every method.

    Raises QueryError for a task that the data set has no questions for, DecodeError for a picture that cannot be read.
    """
    methods = prepared.methods
    models = dict.fromkeys(each.plan.model for each in methods)
    encoders = {name: load_encoder(name, class_paths=True) for name in models}
    tables = []
    try:
        with TemporaryDirectory() as pictures:
            for task in tasks:
                questions = _questions(task, prepared, draw, pictures=Path(pictures))
                judged, ms, unanswered = {}, {}, {}
                for each in methods:
                    label = each.method.label
                    try:
                        judged[label], ms[label] = _answered(
                            each, questions, prepared.gallery, encoders, task=task, on_progress=on_progress
                        )
                    except QueryError as error:  # a method that cannot answer does not stop the others
                        unanswered[label] = str(error)
                rows = _rows(task, questions, judged, seed=draw.seed)
                counts = {s: sum(q.subset == s for q in questions) for s in dict.fromkeys(q.subset for q in questions)}
                tables.append(TaskTable(task, counts, rows, ms, unanswered))
    finally:
        for encoder in encoders.values():
            encoder.close()
    return RetrievalTable(
        dataset=prepared.dataset.name,
        layout=prepared.dataset.layout,
        frames=len(prepared.gallery),
        copies=prepared.gallery.copies,
        model=", ".join(dict.fromkeys(f"{each.plan.space.model}@{each.plan.space.revision}" for each in methods)),
        plans={each.method.label: each.plan.hash for each in methods},
        bytes_a_frame={each.method.label: bytes_a_frame(each.lake, each.method.methods) for each in methods},
        tasks=tuple(tables),
    )


def _questions(task: Task, prepared: Prepared, draw: Draw, *, pictures: Path) -> list[Question]:
    gallery, dataset = prepared.gallery, prepared.dataset
    match task:
        case "classes":
            questions = class_questions(gallery, dataset.classes)
        case "captions":
            questions = caption_questions(gallery, most=draw.queries, seed=draw.seed)
        case "boxes":
            questions = box_questions(gallery, dataset.classes, most=draw.queries, seed=draw.seed)
        case "zones":
            questions = zone_questions(gallery, dataset.classes, most=draw.queries, seed=draw.seed)
        case "rois":
            questions = roi_questions(gallery, dataset, pictures=pictures, most=draw.queries, seed=draw.seed)
    if not questions:
        raise QueryError(f"{dataset.name} gives no question of the task {task!r} over its {len(gallery)} frames")
    return questions


def _answered(
    each: PreparedMethod,
    questions: Sequence[Question],
    gallery: Gallery,
    encoders: Mapping[str, Encoder],
    *,
    task: Task,
    on_progress: Callable[[str], None],
) -> tuple[Measured, float]:
    """The measures of every question by one method, and the median time of a search in milliseconds."""
    judged: Measured = []
    answers: dict[Query, SearchResult] = {}  # a class is searched for once, and judged for each size
    searcher = Searcher(each.lake, encoders[each.plan.model], regions=each.plan.regions)
    try:
        for number, question in enumerate(questions, start=1):
            on_progress(f"{task}: {each.method.label}, question {number} of {len(questions)}")
            # all frames are returned, as unjudged ones take no rank and MRR has no limit
            ranking = each.method.ranking
            query = replace(
                question.query,
                methods=each.method.methods,
                weight=ranking.semantic_weight,
                geometry=each.method.geometry or question.query.geometry,
                norm=ranking.normalisation,
                prior=ranking.prior,
                k=len(gallery),
            )
            if query not in answers:
                answers[query] = searcher.search(query)
            judged.append(judge(answers[query].hits, question, gallery, task=task))
    finally:
        searcher.close()
    return judged, median(result.took_ms for result in answers.values())


def _rows(task: Task, questions: Sequence[Question], judged: Mapping[str, Measured], *, seed: int) -> tuple[Row, ...]:
    rows = []
    decisive = MEASURES[task][0]
    for subset in dict.fromkeys(question.subset for question in questions):
        of = [number for number, question in enumerate(questions) if question.subset == subset]
        first: list[float] | None = None
        for label, values in judged.items():
            own = [values[number][decisive] for number in of]
            gain = None if first is None else bootstrapped(np.subtract(own, first), seed=seed)
            first = own if first is None else first
            rows.append(Row(label, subset, _estimates([values[number] for number in of], task, seed=seed), gain))
    return tuple(rows)


def _estimates(values: Measured, task: Task, *, seed: int) -> dict[str, Estimate]:
    """The estimate of each measure; a measure without a value for any question is omitted."""
    by_name = {name: [each[name] for each in values if name in each] for name in MEASURES[task]}
    return {name: bootstrapped(of, seed=seed) for name, of in by_name.items() if of}
