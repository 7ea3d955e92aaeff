"""Computes how long to wait before the next attempt of something that is retried for ever."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from schemas import require


@dataclass(frozen=True, slots=True)
class BackoffConfig:
    """Pauses between attempts: first_s, then doubled each time up to longest_s, each times a random 0.5 to 1.

    settled_s: after an attempt that lasted at least this long, the pauses begin at first_s again.
    """

    first_s: float = 0.5
    longest_s: float = 30.0
    settled_s: float = 20.0

    def __post_init__(self) -> None:
        require.above(0, first_s=self.first_s)
        require.in_order("<=", first_s=self.first_s, longest_s=self.longest_s)
        require.at_least(0, settled_s=self.settled_s)


class Backoff:
    """Computes the pause before the next attempt. choose: draws a number in [0, 1)."""

    def __init__(self, config: BackoffConfig, *, choose: Callable[[], float] = random.random) -> None:
        self._config = config
        self._choose = choose
        self._attempts = 0

    def __call__(self, *, lasted_s: float) -> float:
        """Returns the pause in seconds. lasted_s: how long the attempt lasted that just ended."""
        config = self._config
        if lasted_s >= config.settled_s:
            self._attempts = 0
        longest_s = min(config.longest_s, config.first_s * 2.0 ** min(self._attempts, 62))
        self._attempts += 1
        return longest_s * (0.5 + self._choose() / 2)
