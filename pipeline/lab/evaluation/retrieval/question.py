"""One question to a lake, and which frames are the right answer to it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.query import Query

Task = Literal["classes", "captions", "boxes", "rois"]
JudgementArray = NDArray[np.int8]
T = TypeVar("T")
RELEVANT, IRRELEVANT, UNJUDGED = 1, 0, -1


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """query: without the way of ranking. subset: the row of the table that it counts for.

    judged: int8 (F,), for every frame of the gallery: RELEVANT, IRRELEVANT, or UNJUDGED, which leaves it out of the
        ranking: nothing is known of it, or it is the query's own frame.
    places: number of a relevant frame → true boxes there; empty where the answer is a frame and no place in it.
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
        """How many frames answer it."""
        return int((self.judged == RELEVANT).sum())


def drawn(items: Sequence[T], make: Callable[[T], Question | None], *, most: int, seed: int) -> list[Question]:
    """At most so many questions, in the order of the items that they are made of, always the same under a seed.

    make: an item → its question, None where it gives none; not called for more items than needed, because finding the
    answers takes time.
    """
    made: dict[int, Question] = {}
    for number in np.random.default_rng(seed).permutation(len(items)).tolist():
        if len(made) == most:
            break
        if (question := make(items[number])) is not None:
            made[number] = question
    return [made[number] for number in sorted(made)]
