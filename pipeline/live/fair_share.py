"""Whose turn it is: the feed that was given least lately."""

import math
from collections.abc import Iterable

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
