"""Counts where the frames of a feed went, over all the processes that decoded it."""

from collections import Counter, deque
from dataclasses import replace

from pipeline.live.feeds.feed_status import FeedStatus
from pipeline.runtime.time_source import REAL_TIME, TimeSource
from schemas.sources import SegmentReport

_RATE_S = 10.0


class FrameCounts:
    """The counts of one process after another, as they report them. Not thread-safe."""

    def __init__(self, *, time: TimeSource = REAL_TIME) -> None:
        self._time = time
        self._earlier = 0  # received by processes before this one
        self._earlier_damaged = 0
        self._of_process = 0  # received by this one
        self._damaged_of_process = 0
        self._emitted = 0  # of them: in packets
        self._kept = 0
        self._not_selected = 0
        self._lost: Counter[str] = Counter()
        self._restarts: Counter[str] = Counter()
        self._received_at: deque[tuple[float, int]] = deque()

    def received(self, frames: int, *, damaged: int) -> None:
        """Records a report. frames, damaged: since the process began."""
        self._received_at.append((self._time.monotonic_s(), frames - self._of_process))
        self._of_process, self._damaged_of_process = frames, damaged

    def emitted(self, frames: int) -> None:
        """Records the frames of a packet from the process."""
        self._emitted += frames
        self._of_process = max(self._of_process, self._emitted)

    def polled(self, report: SegmentReport, *, kept: int) -> None:
        """Records a packet that goes to the models. kept: its keyframes that were not shed."""
        self._kept += kept
        self._not_selected += report.frames_decoded - kept - report.shed

    def process_ended(self, reason: str, *, reads_again: bool) -> int:
        """Returns how many frames are lost with the process. reads_again: none, as the next process gets them too."""
        if reads_again:
            self._of_process = self._emitted
        lost = self._of_process - self._emitted
        if lost:
            self._lost[reason] += lost
        self._earlier += self._of_process
        self._earlier_damaged += self._damaged_of_process
        self._of_process = self._damaged_of_process = self._emitted = 0
        return lost

    def restarted(self, reason: str) -> None:
        self._restarts[reason] += 1

    def with_counts(self, status: FeedStatus, *, shed: int, waiting: int) -> FeedStatus:
        """The status with these counts. shed, waiting: keyframes of the feed's buffer."""
        now_s = self._time.monotonic_s()
        while self._received_at and now_s - self._received_at[0][0] > _RATE_S:
            self._received_at.popleft()
        received = self._earlier + self._of_process
        settled = self._not_selected + self._kept + shed + waiting + sum(self._lost.values())
        return replace(
            status,
            frames_per_s=sum(frames for _, frames in self._received_at) / _RATE_S,
            received=received,
            pending=received - settled,
            not_selected=self._not_selected,
            kept=self._kept,
            waiting=waiting,
            shed=shed,
            damaged=self._earlier_damaged + self._damaged_of_process,
            lost=dict(self._lost),
            restarts=dict(self._restarts),
        )
