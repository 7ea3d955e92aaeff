"""Chooses what the models process next: a few packets at once, from the feeds that were served least lately."""

import math
from collections.abc import Callable, Iterable, Sequence

from pipeline.ingest.packets import FramePacket
from pipeline.live.account.losses import Ending
from pipeline.live.engines.live_engine import FeedHandle

_EMPTY_KEYFRAMES = 0.1  # what a packet without keyframes costs, in keyframes
_HALF_LIFE_S = 30.0


class FairShare:
    """Counts the keyframes that were taken from each feed, halved every 30 s; the feed with the least is next.

    A feed that needs less than its share gets all that it needs, and the others share the rest equally: busy feeds are
    thinned first.
    """

    def __init__(self) -> None:
        self._given: dict[str, tuple[float, float]] = {}  # amount, as of when in s

    def next(self, ready: Iterable[str], *, now_s: float) -> str:
        """The feed that is served next, among those that are ready; ties go by name. now_s: of a monotonic clock."""
        return min(ready, key=lambda name: (self.given(name, now_s=now_s), name))

    def give(self, name: str, amount: float, *, now_s: float) -> None:
        """Counts what was taken from a feed. amount: its cost in keyframes."""
        self._given[name] = self.given(name, now_s=now_s) + amount, now_s

    def given(self, name: str, *, now_s: float) -> float:
        amount, then_s = self._given.get(name, (0.0, now_s))
        return amount * math.exp2(-(now_s - then_s) / _HALF_LIFE_S)

    def forget(self, name: str) -> None:
        self._given.pop(name, None)


class KeyframeScheduler:
    """Takes from the feeds only what is processed at once, so that the rest can still be thinned in their buffers.

    most: the most keyframes of a group; group_s: time that a group should take. `learn_rate` adapts the size to it.
    on_ending: called with the losses and ends of recordings that the feeds report, in order.
    """

    def __init__(self, *, most: int, group_s: float, on_ending: Callable[[Ending], None]) -> None:
        self._most = most
        self._group_s = group_s
        self._on_ending = on_ending
        self._rate: float | None = None  # keyframes a second of one model
        self._share = FairShare()

    def group(self, feeds: Sequence[FeedHandle], *, now_s: float) -> list[FramePacket]:
        """The next packets of these feeds, from the feed that was served least lately on; empty if none is ready."""
        group: list[FramePacket] = []
        keyframes = 0
        while keyframes < self.size:
            waiting = {feed.name: feed for feed in feeds if feed.ready}
            if not waiting:
                break
            name = self._share.next(waiting, now_s=now_s)
            try:
                item = waiting[name].poll()
            except Exception:
                if group:
                    break  # what was polled goes to the models first; the next call raises
                raise
            if isinstance(item, FramePacket):
                keyframes += len(item.keyframes)
                self._share.give(name, max(_EMPTY_KEYFRAMES, len(item.keyframes)), now_s=now_s)
                group.append(item)
            elif item is not None:
                self._on_ending(item)
        return group

    @property
    def size(self) -> int:
        """Number of keyframes of the next group; its last packet may exceed it."""
        return 1 if self._rate is None else max(1, min(self._most, int(self._rate * self._group_s)))

    def learn_rate(self, keyframes: int, seconds: float) -> None:
        """Updates the rate of the models with the time that one needed for a group."""
        if keyframes and seconds > 0:
            rate = keyframes / seconds
            self._rate = rate if self._rate is None else (3 * self._rate + rate) / 4

    def forget(self, name: str) -> None:
        """Removes the counts of a feed that was removed."""
        self._share.forget(name)
