"""Makes recordings of feeds in a lake, second by second, as a follower commits them."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.lake.writing.committer import Committer
from schemas.clock import Clock, Span
from schemas.ids import digest
from schemas.sources import Segment, Source, recording_uri
from tests.pipeline.lake.synthetic import World

DAY = datetime(2026, 5, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Recording(World):
    """Ten ticks a second; a cut every three seconds. hour: when it began."""

    feed: str = "gate"
    hour: float = 0.0

    @property
    def source(self) -> Source:
        began = DAY + timedelta(hours=self.hour)
        return replace(
            World(self.number, length=self.length).source,
            uri=recording_uri(self.feed, began),
            id=digest("recording", self.feed, self.number),
            kind="feed",
            clock=Clock(Fraction(1, 10), began),
        )

    def announced(self) -> Source:
        """The source as registered while it is recorded, which is longer than the recording becomes."""
        return replace(self.source, span=Span(0, 10 * self.length))

    def rows_at(self, segment: Segment) -> SegmentRows:
        return self.rows(Segment(self.announced(), segment.span, segment.id), patches=True)

    def record(self, writer: Committer, *, pieces: int = 10, lost: tuple[int, ...] = ()) -> None:
        """Commits it in `pieces` segments, and completes it. lost: numbers of the segments that failed."""
        for number, segment in enumerate(self.segments(pieces)):
            if number in lost:
                gone = Segment(self.announced(), segment.span, segment.id)
                writer.fail(gone, state="failed", error="the process that decodes was killed", lost=7)
            else:
                writer.commit([self.rows_at(segment)])
        writer.end(self.source)
