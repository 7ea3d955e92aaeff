"""Collects the rows of segments for a moment, so that one commit has the rows of many feeds."""

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.ingest.packets import RowPacket
from pipeline.ingest.segment_assembler import SegmentAssembler
from pipeline.live.account.losses import Lost
from pipeline.live.commits.batch import Batch
from pipeline.runtime.time_source import TimeSource


class RowBatcher:
    """Batches rows. commit_s: the longest time that rows wait for others."""

    def __init__(self, plan_hash: str, *, commit_s: float, time: TimeSource) -> None:
        self._assembler = SegmentAssembler(plan_hash)
        self._commit_s = commit_s
        self._time = time
        self._rows: list[SegmentRows] = []
        self._since_s = 0.0  # monotonic, of the first of the rows

    def add(self, packet: RowPacket) -> Lost | None:
        """Adds rows. Returns the loss of a segment that could not be read, once that is known."""
        whole = self._assembler.add(packet)
        if isinstance(whole, SegmentRows):
            if not self._rows:
                self._since_s = self._time.monotonic_s()
            self._rows.append(whole)
        elif whole is not None:
            segment, failure = whole
            return Lost(segment, 0, failure.error, failure.state)
        return None

    @property
    def due(self) -> bool:
        return bool(self._rows) and self._time.monotonic_s() - self._since_s >= self._commit_s

    def take(self) -> Batch:
        """Removes and returns all rows that wait."""
        rows, self._rows = tuple(self._rows), []
        return Batch(rows=rows)
