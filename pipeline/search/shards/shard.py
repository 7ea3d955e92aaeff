"""A shard holds one part of a lake, and ranks what is in it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from operators.ranking.fusion import Spreads
from pipeline.lake.lake import Lake
from pipeline.search.answering.asked import Asked
from pipeline.search.answering.steps import Steps
from pipeline.search.index.indexed_regions import EXACT_WITHIN_MS
from pipeline.search.memory.frame_listing import FrameListing
from pipeline.search.memory.part import Part
from pipeline.search.memory.resident import Resident
from pipeline.search.searcher import Searcher
from schemas.query import WHOLE, Query, SearchResult

_ANY = Query(box=WHOLE)  # a result goes back without its query, whose picture may be large


@dataclass(frozen=True, slots=True)
class ShardSettings:
    """column: that of the vectors. resident, max_age_s, exact_within_ms: see Searcher."""

    lake: str
    column: str
    part: Part
    resident: Resident | None = None
    max_age_s: float = 0.0
    exact_within_ms: float = EXACT_WITHIN_MS


@dataclass(frozen=True, slots=True, eq=False)
class ShardReply:
    """results: for each query its result, or the error that is raised for it. without_vector: see Searcher.
    generation: changes when the part does."""

    results: Sequence[SearchResult | Exception]
    without_vector: int
    generation: int


class Shard:
    """Answers for the candidates of its part alone. It has no model: queries come with their vectors.

    The first call opens the lake and reads the part: an error of the constructor would be the death of an actor.
    """

    def __init__(self, settings: ShardSettings) -> None:
        self._settings = settings
        self._searcher: Searcher | None = None

    def ready(self) -> None:
        """Reads the part. Raises LakeError where it cannot."""
        self._ready().refresh()

    def spreads(self, asked: Sequence[Asked]) -> list[Spreads | Exception | None]:
        """How the candidates of queries whose rankings normalise are spread; the first of two rounds."""
        return self._ready().spreads([replace(each, steps=Steps()) for each in asked])

    def answer(self, asked: Sequence[Asked], follow: bool) -> ShardReply:
        """The best of the part for each query. follow: whether the lake is looked at first; not in a second round."""
        searcher = self._ready()
        found = searcher.answer([replace(each, steps=Steps()) for each in asked], follow=follow)
        slim = [each if isinstance(each, Exception) else replace(each, query=_ANY) for each in found]
        return ShardReply(slim, searcher.without_vector, searcher.generation)

    def refresh(self) -> int:
        """Follows the lake; returns the generation of the part."""
        searcher = self._ready()
        searcher.refresh()
        return searcher.generation

    def listing(self) -> FrameListing:
        """The keyframes of the part."""
        return self._ready().listing()

    def close(self) -> None:
        if self._searcher is not None:
            self._searcher.close()

    def _ready(self) -> Searcher:
        if self._searcher is None:
            mine = self._settings
            self._searcher = Searcher(
                Lake.open(mine.lake),
                column=mine.column,
                part=mine.part,
                resident=mine.resident,
                max_age_s=mine.max_age_s,
                exact_within_ms=mine.exact_within_ms,
            )
        return self._searcher
