"""Decides what the models work on next: a few packets at once, from the feeds that were given least lately."""

import math
from collections.abc import Callable, Iterable, Sequence

from pipeline.ingest.packets import FramePacket
from pipeline.live.account.losses import Ending
from pipeline.live.engines.live_engine import FeedHandle

_EMPTY_KEYFRAMES = 0.1  # what a packet without keyframes costs, in keyframes
_HALF_LIFE_S = 30.0


class FairShare:
    """Counts what each feed was given, halved every 30 s; the one with the least is next.

    A feed that asks for less than its share gets all that it asks for, and those that ask for more share the rest
    equally: busy feeds are thinned first.
    """

    def __init__(self) -> None:
        self._given: dict[str, tuple[float, float]] = {}  # amount, as of when in s

    def next(self, ready: Iterable[str], *, now_s: float) -> str:
        """Of the feeds that have something; ties go by name. now_s: by any clock that only goes forward."""
        return min(ready, key=lambda name: (self.given(name, now_s=now_s), name))

    def give(self, name: str, amount: float, *, now_s: float) -> None:
        """amount: what it costs, in keyframes."""
        self._given[name] = self.given(name, now_s=now_s) + amount, now_s

    def given(self, name: str, *, now_s: float) -> float:
        amount, then_s = self._given.get(name, (0.0, now_s))
        return amount * math.exp2(-(now_s - then_s) / _HALF_LIFE_S)

    def forget(self, name: str) -> None:
        self._given.pop(name, None)


class KeyframeScheduler:
    """Takes from the feeds only what is worked on at once: what waits is thinned where it waits.

    most: keyframes of a group; group_s: time that one should take; `took` learns how many
        keyframes that are.
    on_ending: called with what feeds report of their recordings, in order.
    """

    def __init__(self, *, most: int, group_s: float, on_ending: Callable[[Ending], None]) -> None:
        self._most = most
        self._group_s = group_s
        self._on_ending = on_ending
        self._rate: float | None = None  # keyframes a second of one model
        self._share = FairShare()

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
                self._on_ending(item)
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
