"""Where the frames of a feed went, over all the processes that decoded it."""

import time
from collections import Counter, deque
from dataclasses import replace

from pipeline.live.feeds.feed_status import FeedStatus
from schemas.sources import SegmentReport

_RATE_S = 10.0


class FrameCounts:
    """Counted as they are told, by one child after the other. Not for several threads at once."""

    def __init__(self) -> None:
        self._earlier = 0  # received by children before this one
        self._earlier_damaged = 0
        self._of_child = 0  # received by this one
        self._damaged_of_child = 0
        self._handed_on = 0  # of them: told of in packets
        self._kept = 0
        self._not_selected = 0
        self._lost: Counter[str] = Counter()
        self._restarts: Counter[str] = Counter()
        self._received_at: deque[tuple[float, int]] = deque()

    def received(self, frames: int, *, damaged: int) -> None:
        """Since the child began."""
        self._received_at.append((time.monotonic(), frames - self._of_child))
        self._of_child, self._damaged_of_child = frames, damaged

    def handed_on(self, frames: int) -> None:
        """Of a packet from the child."""
        self._handed_on += frames
        self._of_child = max(self._of_child, self._handed_on)

    def taken(self, report: SegmentReport, *, kept: int) -> None:
        """By the models."""
        self._kept += kept
        self._not_selected += report.frames_decoded - kept - report.shed

    def child_ended(self, reason: str, *, reads_again: bool) -> int:
        """How many frames are lost with it. reads_again: none is, as the next child gets them too."""
        if reads_again:
            self._of_child = self._handed_on
        lost = self._of_child - self._handed_on
        if lost:
            self._lost[reason] += lost
        self._earlier += self._of_child
        self._earlier_damaged += self._damaged_of_child
        self._of_child = self._damaged_of_child = self._handed_on = 0
        return lost

    def restarted(self, reason: str) -> None:
        self._restarts[reason] += 1

    def onto(self, status: FeedStatus, *, shed: int, waiting: int) -> FeedStatus:
        """The status with these counts. shed, waiting: keyframes, before the models."""
        now = time.monotonic()
        while self._received_at and now - self._received_at[0][0] > _RATE_S:
            self._received_at.popleft()
        received = self._earlier + self._of_child
        settled = self._not_selected + self._kept + shed + waiting + sum(self._lost.values())
        return replace(
            status,
            frames_per_s=sum(frames for _, frames in self._received_at) / _RATE_S,
            received=received,
            undecided=received - settled,
            not_selected=self._not_selected,
            kept=self._kept,
            waiting=waiting,
            shed=shed,
            damaged=self._earlier_damaged + self._damaged_of_child,
            lost=dict(self._lost),
            restarts=dict(self._restarts),
        )
