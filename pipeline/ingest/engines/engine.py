"""What an engine does: probe files, run the stages over segments, and hold the one committer of the lake."""

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Literal, Protocol, Self

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.ingest.packets import RowPacket, Work
from pipeline.reading.sources import Failure, Location
from schemas.clock import Span
from schemas.sources import Segment, Source


class LakeWriter(Protocol):
    """The committer (pipeline/lake/writing/committer.py) as a run sees it, in this process or in an actor."""

    def register(self, source: Source, *, replace: bool) -> list[Span]: ...

    def commit(self, rows: Sequence[SegmentRows]) -> int: ...

    def fail(self, segment: Segment, *, state: Literal["failed", "quarantined"], error: str, lost: int = 0) -> None: ...

    def quarantine(self, uri: str, *, error: str) -> None: ...

    def close(self) -> None: ...


class Engine(Protocol):
    """Runs a plan. `local` and `ray` give equal rows."""

    writer: LakeWriter

    def probe(self, locations: Sequence[Location]) -> Iterator[tuple[Location, Source] | Failure]:
        """What is behind each location, in any order."""
        ...

    def run(self, works: Sequence[Work]) -> Iterator[RowPacket]:
        """The packets of all segments, in any order."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Ends every worker."""
        ...
