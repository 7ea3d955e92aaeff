"""A searcher whose lake is shared out over shards: the same answers, to the last bit, as one process gives."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal, Protocol

from operators.encoders.encoder import Encoder
from operators.ranking.fusion import Spreads
from pipeline.lake.lake import Lake
from pipeline.search.answering.asked import Asked
from pipeline.search.answering.batches import Batches
from pipeline.search.answering.steps import Steps
from pipeline.search.index.indexed_regions import EXACT_WITHIN_MS
from pipeline.search.memory.frame_listing import FrameListing
from pipeline.search.memory.part import Part
from pipeline.search.memory.resident import Resident
from pipeline.search.searcher import MOST_TOGETHER, Searcher, column_of
from pipeline.search.shards.merge import merged_listing, merged_result, merged_spreads
from pipeline.search.shards.shard import Shard, ShardReply, ShardSettings
from pipeline.search.target import TargetMaker
from schemas.query import Query, SearchResult

ShardCall = Literal["spreads", "answer", "refresh", "listing"]  # of Shard's methods
_SHARED_METHODS = ({"regions"}, {"global"})  # others need what all parts found, or tables that are not shared out


class PartAwayError(Exception):
    """What holds a part cannot answer for it at the moment. Its text says why."""


class PartHolder(Protocol):
    """What holds a part: an actor that may die and be replaced."""

    def away(self) -> str | None:
        """Why it cannot be asked at the moment; None if it can."""
        ...

    def begin(self, call: ShardCall, *arguments: object) -> Callable[[], Any]:
        """Calls a method of its Shard. What it returns waits for the result, and raises PartAwayError if it dies."""
        ...


class ShardedSearcher:
    """Answers as `Searcher` does. Any thread may call it: queries that wait are sent to the shards together.

    holders: of the parts, in their order. A part whose holder is away is read and ranked here until that is back: the
        result says so. column: the vectors of the holders.
    max_age_s, resident, exact_within_ms: see Searcher, of parts that are ranked here.
    Queries by several methods, with `then`, or by methods that compare other vectors, are answered here from the whole
    lake.
    """

    def __init__(
        self,
        lake: Lake,
        encoder: Encoder | None,
        *,
        holders: Sequence[PartHolder],
        max_age_s: float = 0.0,
        resident: Resident | None = None,
        exact_within_ms: float = EXACT_WITHIN_MS,
    ) -> None:
        self._lake = lake
        self._encoder = encoder
        self._column = column_of(lake, encoder)
        self._holders = tuple(holders)
        self._max_age_s = max_age_s
        self._resident = resident
        self._exact_within_ms = exact_within_ms
        self._targets = TargetMaker(encoder, lake=lake)
        self._batches: Batches[Asked, SearchResult] = Batches(self._answer, most=MOST_TOGETHER)
        self._here: dict[int, Shard] = {}  # parts that are ranked here
        self._whole: Searcher | None = None
        self._beginning = threading.Lock()
        self._generations: dict[int, tuple[bool, int]] = {}  # by part: whether it is ranked here, and its generation
        self._listed: FrameListing | None = None
        self._listed_generations: dict[int, tuple[bool, int]] = {}
        self.without_vector = 0

    def search(self, query: Query) -> SearchResult:
        """Finds the top k frames for a query. Raises as Searcher.search does."""
        if query.then is not None or {method.name for method in query.weighted_methods} not in _SHARED_METHODS:
            return self._of_whole().search(query)
        steps = Steps()
        target = self._targets(query)
        steps.end("encode")
        return self._batches(Asked(query, target, steps=steps))

    def refresh(self) -> bool:
        """Lets the shards follow the lake; returns whether any part has changed."""
        with self._batches.turn:
            before = dict(self._generations)
            self._follow()
            return before != self._generations

    def listing(self) -> FrameListing:
        """The keyframes that a search can find; the same object until the lake changes."""
        with self._batches.turn:
            if not self._generations or not self._max_age_s:
                self._follow()
            listed = self._listed
            if listed is None or self._listed_generations != self._generations:
                known = dict(self._generations)
                parts, _ = self._of_all(lambda away: self._ask("listing", away))
                listed = self._listed = merged_listing(parts, generation=1 if listed is None else listed.generation + 1)
                self._listed_generations = known
            return listed

    def close(self) -> None:
        """Ends the threads of what is ranked here; holders are left to their owner."""
        for held in (*self._here.values(), self._whole):
            if held is not None:
                held.close()

    # -- asking the shards: under the turn of the batches ------------------------------------------

    def _answer(self, asked: Sequence[Asked]) -> list[SearchResult | Exception]:
        for each in asked:
            each.steps.end("wait for others")
        replies, away = self._of_all(lambda away: self._rounds(asked, away))
        for each in asked:
            each.steps.end("shards")
        self._note({number: reply.generation for number, reply in enumerate(replies)}, away)
        self.without_vector = sum(reply.without_vector for reply in replies)
        answers: list[SearchResult | Exception] = []
        for number, each in enumerate(asked):
            parts = [reply.results[number] for reply in replies]
            errors = [part for part in parts if isinstance(part, Exception)]
            found = [part for part in parts if not isinstance(part, Exception)]
            answers.append(errors[0] if errors else merged_result(each, found, away=away))
        return answers

    def _rounds(self, asked: Sequence[Asked], away: Mapping[int, str]) -> list[ShardReply]:
        """The replies of all parts: in two rounds where rankings normalise by all candidates, else in one."""
        slim = [replace(each, target=replace(each.target, picture=None, mask=None)) for each in asked]
        first = [number for number, each in enumerate(asked) if each.query.norm != "raw"]
        if first:
            parts: list[list[Spreads | Exception | None]] = self._ask("spreads", away, [slim[n] for n in first])
            for number, of_parts in zip(first, zip(*parts, strict=True), strict=True):
                spreads = [each for each in of_parts if each is not None and not isinstance(each, Exception)]
                if len(spreads) == len(of_parts):  # an error comes again in the second round
                    slim[number] = replace(slim[number], spreads=merged_spreads(spreads))
        return self._ask("answer", away, slim, not first)

    def _follow(self) -> None:
        generations, away = self._of_all(lambda away: self._ask("refresh", away))
        self._note(dict(enumerate(generations)), away)

    def _note(self, generations: Mapping[int, int], away: Mapping[int, str]) -> None:
        known = {number: (number in away, generation) for number, generation in generations.items()}
        if known != self._generations:
            self._generations = known
            self._targets.forget()

    def _of_all(self, ask: Callable[[Mapping[int, str]], list[Any]]) -> tuple[list[Any], dict[int, str]]:
        """What `ask` returns for the parts that are away, and these; asked again where one is lost meanwhile, so that
        both rounds of a ranking are of the same holders."""
        away = {number: why for number, holder in enumerate(self._holders) if (why := holder.away()) is not None}
        for number in [*self._here]:
            if number not in away:
                self._here.pop(number).close()
        while True:
            try:
                return ask(away), away
            except _LostError as lost:
                away |= lost.why

    def _ask(self, call: ShardCall, away: Mapping[int, str], *arguments: object) -> list[Any]:
        """The results of a call for all parts; those that are away are computed here while the others are."""
        lost: dict[int, str] = {}
        pending: dict[int, Callable[[], Any]] = {}
        for number, holder in enumerate(self._holders):
            if number not in away:
                with _noted(number, lost):
                    pending[number] = holder.begin(call, *arguments)
        found = {number: getattr(self._shard_here(number), call)(*arguments) for number in away}
        for number, wait in pending.items():
            with _noted(number, lost):
                found[number] = wait()
        if lost:  # all of them: a machine that is lost has several, and each new round asks all others again
            raise _LostError(lost)
        return [found[number] for number in range(len(self._holders))]

    def _shard_here(self, number: int) -> Shard:
        if number not in self._here:
            self._here[number] = Shard(
                ShardSettings(
                    self._lake.uri,
                    self._column,
                    Part(number, len(self._holders)),
                    resident=self._resident,
                    max_age_s=self._max_age_s,
                    exact_within_ms=self._exact_within_ms,
                )
            )
        return self._here[number]

    def _of_whole(self) -> Searcher:
        with self._beginning:
            if self._whole is None:
                self._whole = Searcher(
                    self._lake,
                    self._encoder,
                    resident=self._resident,
                    max_age_s=self._max_age_s,
                    exact_within_ms=self._exact_within_ms,
                )
            return self._whole


@contextmanager
def _noted(number: int, lost: dict[int, str]) -> Iterator[None]:
    try:
        yield
    except PartAwayError as error:
        lost[number] = str(error)


class _LostError(Exception):
    """why: parts were lost, by their numbers."""

    def __init__(self, why: Mapping[int, str]) -> None:
        super().__init__("; ".join(why.values()))
        self.why = dict(why)
