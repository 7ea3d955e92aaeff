"""A query with all that ranking needs of it: its vectors, and how the candidates elsewhere are spread."""

from dataclasses import dataclass, field

from operators.ranking.fusion import Spreads
from pipeline.search.answering.steps import Steps
from pipeline.search.target import Target
from schemas.query import Query


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """target, then: what is compared with the vectors of the lake; `then` for a query that has it.

    spreads: for a part of a lake, of the candidates of all parts, where the ranking normalises distances.
    """

    query: Query
    target: Target
    then: Target | None = None
    spreads: Spreads | None = None
    steps: Steps = field(default_factory=Steps)
