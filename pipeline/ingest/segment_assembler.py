"""Puts the packets of a segment together again, in whatever order and however often they come."""

from collections import OrderedDict, defaultdict

import pyarrow as pa

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.ingest.packets import RowPacket, SegmentFailure
from schemas.sources import Segment, SegmentReport

_REMEMBERED = 65_536  # segments: a worker that was killed sends its packets again soon, or never


class SegmentAssembler:
    """Collects row packets until a segment is whole.

    A worker that was killed half-way sends its packets again: equal numbers replace each other.
    """

    def __init__(self, plan_hash: str) -> None:
        self._plan_hash = plan_hash
        self._packets: defaultdict[str, dict[int, RowPacket]] = defaultdict(dict)
        self._whole: OrderedDict[str, None] = OrderedDict()

    def add(self, packet: RowPacket) -> SegmentRows | tuple[Segment, SegmentFailure] | None:
        """The segment's rows, or why there are none, once its last missing packet came; None before and after."""
        segment = packet.head.segment
        if segment.id in self._whole:
            return None
        packets = self._packets[segment.id]
        packets[packet.head.number] = packet
        last = next((p for p in packets.values() if p.head.end is not None), None)
        if last is None or last.head.end is None:
            return None
        end, count = last.head.end, last.head.number + 1
        if isinstance(end, SegmentReport) and any(n not in packets for n in range(count)):
            return None
        self._whole[segment.id] = None
        if len(self._whole) > _REMEMBERED:  # feeds go on for months
            self._whole.popitem(last=False)
        del self._packets[segment.id]
        if isinstance(end, SegmentFailure):
            return segment, end
        ordered = [packets[n] for n in range(count)]
        patches = [p.patches for p in ordered if p.patches is not None]
        return SegmentRows(
            segment=segment,
            plan=self._plan_hash,
            report=end,
            frames=pa.concat_tables([p.frames for p in ordered]),
            regions=pa.concat_tables([p.regions for p in ordered]),
            patches=pa.concat_tables(patches) if patches else None,
        )
