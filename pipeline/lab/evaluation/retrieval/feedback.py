"""How much a few likes and dislikes help: a simulated user judges the first hits, and the rest is ranked again.

Frames that were judged count neither before nor after (the residual collection: Salton and Buckley, "Improving
retrieval performance by relevance feedback", 1990), so that a judged hit which moves up is no gain.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from operators.encoders.catalogue import load_encoder
from operators.ranking.feedback import Move, Rocchio
from pipeline.lab.evaluation.metrics import Estimate, average_precision_at, bootstrapped, localisation, recall_at
from pipeline.lab.evaluation.retrieval.by_class import ALL, class_questions
from pipeline.lab.evaluation.retrieval.gallery import Gallery
from pipeline.lab.evaluation.retrieval.prepare import Prepared
from pipeline.lab.evaluation.retrieval.question import IRRELEVANT, RELEVANT, UNJUDGED, Question
from pipeline.search.searcher import Searcher
from schemas import require
from schemas.boxes import Boxes
from schemas.errors import QueryError
from schemas.query import Hit, Query, WeightedMethod
from schemas.vectors import VectorArray

FeedbackTask = Literal["classes", "individuals"]
_SHOWS = {"classes": 0.3, "individuals": 0.5}  # IoU with a true box from which a close-up shows it
_K = 10
_SEEN = 8  # frames in which somebody must be seen
_DEPTH = 50


@dataclass(frozen=True, slots=True)
class SimulatedUser:
    """likes, dislikes: how many hits are judged each, at most. looks_at: among so many first hits."""

    likes: int = 3
    dislikes: int = 3
    looks_at: int = 30

    def __post_init__(self) -> None:
        require.at_least(0, likes=self.likes, dislikes=self.dislikes)
        require.at_least(1, looks_at=self.looks_at)


@dataclass(frozen=True, slots=True)
class Logistic:
    """A regularised logistic regression of the judgements, whose prior is the query's vector q, scaled by `scale`:

    `min ½|w − scale · q|² + c · Σ log(1 + exp(−y (w · x − scale · threshold)))`, of which w/|w| ranks. threshold: the
    mean of q · x over what was judged, without which the whole of a modality's offset would be learnt first.
    """

    c: float = 10.0
    scale: float = 10.0

    def __call__(self, query: VectorArray | None, liked: VectorArray, unliked: VectorArray) -> VectorArray:
        x = np.concatenate([liked, unliked]).astype(np.float64)
        y = np.concatenate([np.ones(len(liked)), -np.ones(len(unliked))])
        prior = self.scale * (np.zeros(x.shape[1]) if query is None else query.astype(np.float64))
        threshold = float((x @ prior).mean())

        def loss(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            margin = y * (x @ w - threshold)
            slope = -self.c * y / (1.0 + np.exp(np.minimum(margin, 500)))
            value = 0.5 * float((w - prior) @ (w - prior)) + self.c * float(np.logaddexp(0, -margin).sum())
            return value, (w - prior) + x.T @ slope

        w = minimize(loss, prior, jac=True, method="L-BFGS-B").x
        return np.asarray(w / max(1e-9, float(np.linalg.norm(w))), np.float32)


MOVES: dict[str, Move] = {
    "rocchio 1/0.5 (default)": Rocchio(),
    "rocchio 0.25/0.1": Rocchio(0.25, 0.1),
    "rocchio 0.5/0.25": Rocchio(0.5, 0.25),
    "rocchio 2/1": Rocchio(2.0, 1.0),
    "likes alone, 1": Rocchio(1.0, 0.0),
    "logistic 1": Logistic(1.0),
    "logistic 10": Logistic(10.0),
}


@dataclass(frozen=True, slots=True)
class FeedbackRow:
    """The figures of one move; `none` is the query as it was. gain: of the average precision, question by question."""

    move: str
    recall: Estimate
    precision: Estimate
    gain: Estimate | None


@dataclass(frozen=True, slots=True)
class FeedbackTable:
    """questions: those in which something was liked and an answer was left. likes, dislikes: means over them."""

    dataset: str
    task: FeedbackTask
    frames: int
    questions: int
    likes: float
    dislikes: float
    rows: tuple[FeedbackRow, ...]


@dataclass(frozen=True, slots=True)
class _Judged:
    """liked, unliked: ids of regions, or of frames for hits that are whole frames. rest: the question without frames
    that were judged."""

    liked: tuple[str, ...]
    unliked: tuple[str, ...]
    rest: Question


def feedback_questions(prepared: Prepared, task: FeedbackTask) -> list[Question]:
    """Every class by its name; or "a person" for everybody who is seen in some frames of a video: then an answer is a
    frame whose hit is that one, and not just any frame with them."""
    gallery = prepared.gallery
    if task == "classes":
        return [each for each in class_questions(gallery, prepared.dataset.classes) if each.subset == ALL]
    places: dict[int, dict[int, Boxes]] = {}
    for number, frame in enumerate(gallery.frames):
        objects = frame.objects
        for at in np.flatnonzero(objects.counted).tolist():
            places.setdefault(int(objects.identities[at]), {})[number] = objects.boxes[at : at + 1]
    found = []
    for identity, seen in sorted(places.items()):
        if identity >= 0 and len(seen) >= _SEEN:
            judged = np.full(len(gallery), IRRELEVANT, np.int8)
            judged[list(seen)] = RELEVANT
            found.append(Question(Query(text="a person"), task, judged, seen))
    return found


def evaluate_feedback(
    prepared: Prepared,
    user: SimulatedUser,
    *,
    task: FeedbackTask,
    moves: dict[str, Move] | None = None,
    seed: int = 0,
    on_progress: Callable[[str], None] = lambda _: None,
) -> FeedbackTable:
    """Asks each question, has its first hits judged, and asks again by each move through the real search."""
    questions = feedback_questions(prepared, task)
    (made,) = prepared.methods
    gallery = prepared.gallery
    encoder = load_encoder(made.plan.model, class_paths=True)
    found: dict[str, list[tuple[float, float]]] = {"none": []}
    judged: list[_Judged] = []
    try:
        plain = Searcher(made.lake, encoder, regions=made.plan.regions)
        try:
            for number, question in enumerate(questions, start=1):
                on_progress(f"question {number} of {len(questions)}")
                hits = plain.search(replace(question.query, methods=made.method.methods, k=len(gallery))).hits
                one = _judge(hits, question, gallery, user, task)
                if one is not None:
                    judged.append(one)
                    found["none"].append(_measured(hits, one.rest, gallery, task))
        finally:
            plain.close()
        for name, move in (moves or MOVES).items():
            searcher = Searcher(made.lake, encoder, regions=made.plan.regions, move=move)
            try:
                on_progress(name)
                found[name] = [_again(searcher, each, made.method.methods, gallery, task) for each in judged]
            finally:
                searcher.close()
    finally:
        encoder.close()
    return _table(prepared, task, judged, found, seed=seed)


def _again(
    searcher: Searcher, judged: _Judged, methods: tuple[WeightedMethod, ...], gallery: Gallery, task: FeedbackTask
) -> tuple[float, float]:
    query = replace(
        judged.rest.query,
        methods=methods,
        k=len(gallery),
        like=judged.liked,
        unlike=judged.unliked,
    )
    return _measured(searcher.search(query).hits, judged.rest, gallery, task)


def _judge(
    hits: Sequence[Hit], question: Question, gallery: Gallery, user: SimulatedUser, task: FeedbackTask
) -> _Judged | None:
    """What the user says about the first hits; None if nothing is liked, or no answer is left to be found."""
    liked: list[str] = []
    unliked: list[str] = []
    rest = question.judged.copy()
    for hit in hits[: user.looks_at]:
        number = gallery.number(hit)
        if number is None or question.judged[number] == UNJUDGED:
            continue
        right = question.judged[number] == RELEVANT and shows(hit, question, number, task)
        wrong = question.judged[number] != RELEVANT if task == "classes" else not right
        kept = (
            liked if right and len(liked) < user.likes else unliked if wrong and len(unliked) < user.dislikes else None
        )
        if kept is not None:
            kept.append(hit.place.region_id or hit.frame_id)
            rest[number] = UNJUDGED
    if not liked or not (rest == RELEVANT).any():
        return None
    return _Judged(tuple(liked), tuple(unliked), replace(question, judged=rest))


def shows(hit: Hit, question: Question, number: int, task: FeedbackTask) -> bool:
    """Whether the close-up of a hit shows what the question asks: a user sees no more of the frame."""
    if number not in question.places:
        return True
    return localisation(Boxes(np.array([hit.place.box], np.float32)), question.places[number]) >= _SHOWS[task]


def _measured(hits: Sequence[Hit], question: Question, gallery: Gallery, task: FeedbackTask) -> tuple[float, float]:
    numbered = [(number, hit) for hit in hits if (number := gallery.number(hit)) is not None]

    def answers_it(number: int, hit: Hit) -> bool:
        return bool(question.judged[number] == RELEVANT) and (task == "classes" or shows(hit, question, number, task))

    answers = np.array([answers_it(n, hit) for n, hit in numbered if question.judged[n] != UNJUDGED], np.bool_)
    recall = recall_at(answers, relevant=question.relevant, k=_K)
    return recall, average_precision_at(answers, relevant=question.relevant, k=_DEPTH)


def _table(
    prepared: Prepared,
    task: FeedbackTask,
    judged: Sequence[_Judged],
    found: dict[str, list[tuple[float, float]]],
    *,
    seed: int,
) -> FeedbackTable:
    if not judged:
        raise QueryError(f"no question of {prepared.dataset.name} had a hit that is right, and another answer besides")
    before = np.array(found["none"])
    rows = []
    for name, values in found.items():
        after = np.array(values)
        gain = None if name == "none" else bootstrapped(after[:, 1] - before[:, 1], seed=seed)
        rows.append(FeedbackRow(name, bootstrapped(after[:, 0], seed=seed), bootstrapped(after[:, 1], seed=seed), gain))
    return FeedbackTable(
        prepared.dataset.name,
        task,
        len(prepared.gallery),
        len(judged),
        float(np.mean([len(each.liked) for each in judged])),
        float(np.mean([len(each.unliked) for each in judged])),
        tuple(rows),
    )
