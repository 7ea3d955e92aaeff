"""Takes from feeds by turns what a model works on next."""

from collections.abc import Iterable, Sequence

from pipeline.live.engine import FeedHandle
from pipeline.live.fair_share import FairShare
from pipeline.live.feed_buffer import Lost
from pipeline.live.recorder import RecordingEnded
from pipeline.packets import FramePacket

_EMPTY_KEYFRAMES = 0.1  # what a packet without keyframes costs, in keyframes


class Turns:
    """One packet of each feed is held here at most, so that those that wait longer are thinned where they wait.

    group_keyframes: that a model is given at once. told: what feeds said of their recordings, in order; to be emptied
    by whoever reads it.
    """

    def __init__(self, *, group_keyframes: int) -> None:
        self._group_keyframes = group_keyframes
        self._share = FairShare()
        self._ready: dict[str, FramePacket] = {}
        self.told: list[Lost | RecordingEnded] = []

    def group(self, feeds: Sequence[FeedHandle], *, now_s: float) -> list[FramePacket]:
        """The next packets of these feeds, from the one that was given least lately; empty where none has any."""
        group: list[FramePacket] = []
        while sum(len(packet.keyframes) for packet in group) < self._group_keyframes:
            waiting = self.waiting(feeds)
            if not waiting:
                break
            name = self._share.next(waiting, now_s=now_s)
            packet = self._ready.pop(name)
            self._share.give(name, max(_EMPTY_KEYFRAMES, len(packet.keyframes)), now_s=now_s)
            group.append(packet)
        return group

    def waiting(self, feeds: Iterable[FeedHandle]) -> list[str]:
        """Names of the feeds that have a packet."""
        return [feed.name for feed in feeds if feed.name in self._ready or self._fetch(feed)]

    def forget(self, name: str) -> None:
        """Of a feed that was removed, and has nothing left."""
        self._share.forget(name)

    def _fetch(self, feed: FeedHandle) -> bool:
        while (item := feed.poll()) is not None:
            if isinstance(item, FramePacket):
                self._ready[feed.name] = item
                return True
            self.told.append(item)
        return False
