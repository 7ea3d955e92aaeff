"""Commits batches, and decides which parts of one the lake will never accept."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Literal, Protocol

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.ingest.engines.engine import LakeWriter
from pipeline.lake.ledger import SourceEntry
from pipeline.live.commits.batch import Batch
from pipeline.live.commits.failures import is_out_of_reach
from pipeline.plan.stored_plan import StoredPlan
from pipeline.runtime.threads import described
from schemas.errors import RefusedError
from schemas.sources import Segment, Source

UNEXPECTED_TRIES = 5  # some 8 s with the pauses between them
_BATCHES_LOOKED_AT = 8  # for a part that has nothing in common with the batch that fails


class LiveWriter(LakeWriter, Protocol):
    """The committer as a follower sees it, in this process or in an actor."""

    def commit(self, rows: Sequence[SegmentRows], *, plan: StoredPlan | None = None) -> int: ...

    def fail(
        self,
        segment: Segment,
        *,
        state: Literal["failed", "quarantined"],
        error: str,
        lost: int = 0,
        plan: StoredPlan | None = None,
    ) -> None: ...

    def end(self, source: Source) -> None: ...

    def open_recordings(self, besides: Sequence[Source] = ()) -> list[SourceEntry]: ...

    def recordings(self, feed: str) -> list[Source]: ...


@dataclass(frozen=True, slots=True)
class RefusedPart:
    """A part of a batch that the lake will not accept, and why."""

    part: Batch
    reason: str


class BatchCommits:
    """Commits one batch after the other; a batch that fails is given again until it is committed or refused.

    What the lake refuses (RefusedError) is refused at once. After an unexpected error, such as a panic, the batch is
    tried some more times, then part by part. A part that still fails is refused if the fault is its own: the lake takes
    a note of its failure, another part, or a part of another batch.
    """

    def __init__(self, writer: LiveWriter) -> None:
        self._writer = writer
        self._tries = 0  # of the current batch that ended with an unexpected error

    def commit(self, batch: Batch, *, following: Iterable[Batch]) -> list[RefusedPart]:
        """Commits a batch but for the parts that are returned, which the lake refuses.

        following: the batches after it; not all are read. Raises any error after which the batch is to be tried again.
        """
        try:
            refused = self._commit(batch, following)
        except BaseException as error:
            self._tries += not is_out_of_reach(error)
            raise
        self._tries = 0
        return refused

    def _commit(self, batch: Batch, following: Iterable[Batch]) -> list[RefusedPart]:
        if self._tries < UNEXPECTED_TRIES:
            with suppress(RefusedError):
                self._write(batch)
                return []
        refused: list[RefusedPart] = []
        failed: list[tuple[Batch, BaseException]] = []
        for part in batch.parts:
            try:
                self._write(part)
            except RefusedError as error:
                self._takes_note(part, error)
                refused.append(RefusedPart(part, str(error)))
            except BaseException as error:
                if is_out_of_reach(error) or self._tries < UNEXPECTED_TRIES:
                    raise
                failed.append((part, error))
        others_pass = len(refused) + len(failed) < len(batch.parts)
        for part, why in failed:
            if not (self._takes_note(part, why) or others_pass or self._takes_another(batch, following)):
                raise why
            refused.append(RefusedPart(part, described(why)))
        return refused

    def _write(self, batch: Batch) -> None:
        if batch.rows:
            self._writer.commit(batch.rows, plan=batch.plan)
        for lost in batch.lost:
            self._writer.fail(lost.segment, state=lost.state, error=lost.reason, lost=lost.frames, plan=batch.plan)
        for ended in batch.ended:
            self._writer.end(ended.source)

    def _takes_note(self, part: Batch, why: BaseException) -> bool:
        """Whether the ledger took the note that the rows of a part are refused, by which their frames are accounted
        for. Raises any error after which the batch is to be tried again."""
        try:
            for rows in part.rows:
                frames = rows.report.frames_decoded if rows.segment.source.kind == "feed" else 0
                reason = f"refused by the lake: {described(why)}"
                self._writer.fail(rows.segment, state="failed", error=reason, lost=frames, plan=part.plan)
        except BaseException as error:
            unexpected = not isinstance(error, RefusedError)
            if is_out_of_reach(error) or (unexpected and self._tries < UNEXPECTED_TRIES):
                raise
            return False
        return bool(part.rows)

    def _takes_another(self, batch: Batch, following: Iterable[Batch]) -> bool:
        """Whether the lake takes a part of the following batches, of which it then has some rows early."""
        for other in islice(following, _BATCHES_LOOKED_AT):
            for part in other.parts:
                if part.source_ids.isdisjoint(batch.source_ids):
                    with suppress(BaseException):
                        self._write(part)
                        return True
                    return False
        return False
