"""A query to a lake with the frames that are right answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.query import Query

Task = Literal["classes", "captions", "boxes", "zones", "rois"]
JudgementArray = NDArray[np.int8]
T = TypeVar("T")
RELEVANT, IRRELEVANT, UNJUDGED = 1, 0, -1


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """query: the query without methods and ranking. subset: the row of the table in which it counts.

    judged: int8 (F,), for every frame of the gallery: RELEVANT, IRRELEVANT, or UNJUDGED. Unjudged frames, whose answer
        is not known or which are the query's own, are excluded from the ranking.
    places: number of a relevant frame → true boxes there; empty if answers are whole frames.
    """

    query: Query
    subset: str
    judged: JudgementArray
    places: Mapping[int, Boxes]

    def __post_init__(self) -> None:
        if not (self.judged == RELEVANT).any():
            raise InvalidValueError(f"no frame answers {self.query}")

    @property
    def relevant(self) -> int:
        """The number of frames that are right answers."""
        return int((self.judged == RELEVANT).sum())


def drawn(items: Sequence[T], make: Callable[[T], Question | None], *, most: int, seed: int) -> list[Question]:
    """At most `most` questions, in the order of their items; the same seed gives the same questions.

    make: an item → its question, or None if it gives none. It is not called for more items than needed, as finding the
    answers takes time.
    """
    made: dict[int, Question] = {}
    for number in np.random.default_rng(seed).permutation(len(items)).tolist():
        if len(made) == most:
            break
        if (question := make(items[number])) is not None:
            made[number] = question
    return [made[number] for number in sorted(made)]
