"""Takes from feeds by turns what a model works on next."""

from collections.abc import Sequence

from pipeline.ingest.packets import FramePacket
from pipeline.live.engines.live_engine import FeedHandle
from pipeline.live.fair_share import FairShare
from pipeline.live.feeds.feed_buffer import Lost
from pipeline.live.feeds.recorder import RecordingEnded

_EMPTY_KEYFRAMES = 0.1  # what a packet without keyframes costs, in keyframes


class KeyframeScheduler:
    """Only what is worked on at once is taken: what waits is thinned where it waits.

    most: keyframes of a group; group_s: time that one should take, of which `took` tells how many keyframes that are.
    told: what feeds said of their recordings, in order; to be emptied by whoever reads it.
    """

    def __init__(self, *, most: int, group_s: float) -> None:
        self._most = most
        self._group_s = group_s
        self._rate: float | None = None  # keyframes a second of one model
        self._share = FairShare()
        self.told: list[Lost | RecordingEnded] = []

    def group(self, feeds: Sequence[FeedHandle], *, now_s: float) -> list[FramePacket]:
        """The next packets of these feeds, from the one that was given least lately; empty where none has any."""
        group: list[FramePacket] = []
        keyframes = 0
        while keyframes < self.size:
            waiting = {feed.name: feed for feed in feeds if feed.ready}
            if not waiting:
                break
            name = self._share.next(waiting, now_s=now_s)
            item = waiting[name].poll()
            if isinstance(item, FramePacket):
                keyframes += len(item.keyframes)
                self._share.give(name, max(_EMPTY_KEYFRAMES, len(item.keyframes)), now_s=now_s)
                group.append(item)
            elif item is not None:
                self.told.append(item)
        return group

    @property
    def size(self) -> int:
        """Keyframes of the next group; one more packet may bring it above."""
        return 1 if self._rate is None else max(1, min(self._most, int(self._rate * self._group_s)))

    def took(self, keyframes: int, seconds: float) -> None:
        """How long a model was busy with a group."""
        if keyframes and seconds > 0:
            rate = keyframes / seconds
            self._rate = rate if self._rate is None else (3 * self._rate + rate) / 4

    def forget(self, name: str) -> None:
        """Of a feed that was removed."""
        self._share.forget(name)
