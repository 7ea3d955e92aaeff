"""The interface of engines, which probe files, run the stages on segments, and hold the lake's one committer."""

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Literal, Protocol, Self

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.ingest.packets import RowPacket, Work
from pipeline.reading.sources import Failure, Location
from schemas.clock import Span
from schemas.sources import Segment, Source


class LakeWriter(Protocol):
    """The interface of the committer (pipeline/lake/writing/committer.py), in this process or in an actor."""

    def register(self, source: Source, *, replace: bool) -> list[Span]: ...

    def commit(self, rows: Sequence[SegmentRows]) -> int: ...

    def fail(self, segment: Segment, *, state: Literal["failed", "quarantined"], error: str, lost: int = 0) -> None: ...

    def quarantine(self, uri: str, *, error: str) -> None: ...

    def close(self) -> None: ...


class Engine(Protocol):
    """Runs a plan. `local` and `ray` give equal rows."""

    writer: LakeWriter

    def probe(self, locations: Sequence[Location]) -> Iterator[tuple[Location, Source] | Failure]:
        """Probes each location; results come in any order."""
        ...

    def run(self, works: Sequence[Work]) -> Iterator[RowPacket]:
        """The packets of all segments, in any order."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Ends every worker."""
        ...
