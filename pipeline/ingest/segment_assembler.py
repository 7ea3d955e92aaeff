"""Assembles the packets of a segment, in whatever order and however often they arrive."""

from collections import OrderedDict, defaultdict

import pyarrow as pa

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.ingest.packets import RowPacket, SegmentFailure
from schemas.sources import Segment, SegmentReport

_REMEMBERED = 65_536  # segments: packets of a killed worker are sent again soon, or never


class SegmentAssembler:
    """Collects row packets until a segment is complete.

    The packets of a worker that was killed are sent again: a packet replaces an earlier one with the same number.
    """

    def __init__(self, plan_hash: str) -> None:
        self._plan_hash = plan_hash
        self._packets: defaultdict[str, dict[int, RowPacket]] = defaultdict(dict)
        self._whole: OrderedDict[str, None] = OrderedDict()

    def add(self, packet: RowPacket) -> SegmentRows | tuple[Segment, SegmentFailure] | None:
        """The segment's rows, or its failure, once its last missing packet has arrived; None before and after."""
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
        if len(self._whole) > _REMEMBERED:  # feeds run for months
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
