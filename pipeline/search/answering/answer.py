"""A query that is being answered, and what was found for it, before this becomes hits."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.search.answering.asked import Asked
from pipeline.search.candidates import Candidates
from pipeline.search.index.indexed_regions import Choice
from pipeline.search.methods.method import RankingRequest
from schemas.query import Explanation, Place

Found = tuple[int, float, Place]  # row of a frame, its distance, and the place in it that was found


@dataclass(frozen=True, slots=True)
class Answer:
    """found: best first. then: row of a frame → the frame that follows it, for a query with `then`.

    candidates: number of regions and frames that were compared. access_path, recall_target, explanation: see
    SearchResult; access_path is empty for columns in memory or on disk.
    """

    found: list[Found]
    candidates: int
    exact: bool = True
    then: Mapping[int, Found] = field(default_factory=dict)
    access_path: str = ""
    recall_target: float | None = None
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A query that is being answered.

    candidates: None for other methods than `regions` alone, and for what the index answers until these are read.
    answer: what is known before they are ranked.
    shares: whether the candidates are of the columns themselves, which all queries share.
    choice: how the index answers it. Its candidates are read when its turn comes: they have vectors of their own.
    """

    asked: Asked
    request: RankingRequest
    candidates: Candidates | None = None
    answer: Answer | None = None
    shares: bool = False
    choice: Choice | None = None
