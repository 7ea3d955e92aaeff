"""The packets of a feed that wait for a model; sheds keyframes beyond a number, the least informative first."""

import math
from collections import deque
from dataclasses import dataclass, replace

from pipeline.ingest.packets import FramePacket, PacketHead
from pipeline.live.account.losses import Ending
from pipeline.reading.reader_requests import PACKET_FRAMES
from schemas.clock import Span
from schemas.frames import KeyframeReason
from schemas.ids import segment_id
from schemas.sources import Segment, SegmentReport

FeedItem = FramePacket | Ending


@dataclass(frozen=True, slots=True)
class _Place:
    """The position of a keyframe: the n-th of the packet that is this item of the buffer."""

    item: int
    n: int
    packet: FramePacket

    @property
    def time_s(self) -> float:
        return self.packet.head.segment.source.clock.seconds(self.packet.keyframes[self.n].pts)

    @property
    def reason(self) -> KeyframeReason:
        return self.packet.keyframes[self.n].reason


class FeedBuffer:
    """The items of one feed in order. Packets that wait are joined; keyframes beyond `most`, and those that are
    `stale_s` behind the newest, are shed and counted. One that begins a shot may wait twice as long, and is shed last.

    plan_hash: hash of the plan by which the rows will be made.
    shed: keyframes shed so far. keyframes: keyframes that wait. Not thread-safe.
    """

    def __init__(self, *, most: int, stale_s: float, plan_hash: str) -> None:
        self._most = most
        self._stale_s = stale_s
        self._plan_hash = plan_hash
        self._items: deque[FeedItem] = deque()
        self.keyframes = 0
        self.shed = 0

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: FeedItem) -> None:
        if isinstance(item, FramePacket):
            self.keyframes += len(item.keyframes)
            before = self._items[-1] if self._items else None
            if isinstance(before, FramePacket) and _may_join(before, item):
                item = self._joined(before, item)
                self._items.pop()
        self._items.append(item)
        while self.keyframes > self._most or self._has_stale():
            self._shed_one()

    def take(self) -> FeedItem | None:
        """Removes and returns the oldest item; None if there is none."""
        if not self._items:
            return None
        item = self._items.popleft()
        if isinstance(item, FramePacket):
            self.keyframes -= len(item.keyframes)
        return item

    def _joined(self, first: FramePacket, second: FramePacket) -> FramePacket:
        a, b = _report(first), _report(second)
        report = SegmentReport(
            frames_decoded=a.frames_decoded + b.frames_decoded,
            near_duplicates=a.near_duplicates + b.near_duplicates,
            first_pts=b.first_pts if a.first_pts is None else a.first_pts,
            last_pts=a.last_pts if b.last_pts is None else b.last_pts,
            cut_events=a.cut_events + b.cut_events,
            shed=a.shed + b.shed,
        )
        source = first.head.segment.source
        span = Span(first.head.segment.span.start, second.head.segment.span.stop)
        segment = Segment(source, span, segment_id(source.id, self._plan_hash, span))
        return FramePacket(PacketHead(segment, 0, report.frames_decoded, report), first.keyframes + second.keyframes)

    def _places(self) -> list[_Place]:
        """The positions of the keyframes that wait, in order."""
        return [
            _Place(at, n, item)
            for at, item in enumerate(self._items)
            if isinstance(item, FramePacket)
            for n in range(len(item.keyframes))
        ]

    def _has_stale(self) -> bool:
        places = self._places()
        return any(self._is_stale(place, newest_s=places[-1].time_s) for place in places)

    def _is_stale(self, place: _Place, *, newest_s: float) -> bool:
        return newest_s - place.time_s > self._stale_s * (2 if place.reason == "shot" else 1)

    def _shed_one(self) -> None:
        """Drops the least informative keyframe: a stale one if there is one, otherwise one that does not begin a shot,
        and among equals the one that is nearest in time to the keyframe before it."""
        places = self._places()
        newest_s = places[-1].time_s

        def importance(i: int) -> tuple[bool, bool, float]:
            gap_s = math.inf if i == 0 else abs(places[i].time_s - places[i - 1].time_s)
            return not self._is_stale(places[i], newest_s=newest_s), places[i].reason == "shot", gap_s

        place = places[min(range(len(places)), key=importance)]
        report, keyframes = _report(place.packet), place.packet.keyframes
        head = replace(place.packet.head, end=replace(report, shed=report.shed + 1))
        self._items[place.item] = FramePacket(head, keyframes[: place.n] + keyframes[place.n + 1 :])
        self.keyframes -= 1
        self.shed += 1


def _report(packet: FramePacket) -> SegmentReport:
    assert isinstance(packet.head.end, SegmentReport)  # a feed's packet is a whole segment
    return packet.head.end


def _may_join(first: FramePacket, second: FramePacket) -> bool:
    a, b = first.head.segment, second.head.segment
    few = len(first.keyframes) + len(second.keyframes) <= PACKET_FRAMES
    return few and a.source.id == b.source.id and a.span.stop == b.span.start
