"""How long to wait before something is tried again, for ever."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from schemas import require


@dataclass(frozen=True, slots=True)
class BackoffConfig:
    """Between two attempts: first_s, then twice as long each time, at most longest_s, each times 0.5 to 1 at random.

    settled_s: a feed that was live for so long begins at first_s again.
    """

    first_s: float = 0.5
    longest_s: float = 30.0
    settled_s: float = 20.0

    def __post_init__(self) -> None:
        require.above(0, first_s=self.first_s)
        require.in_order("<=", first_s=self.first_s, longest_s=self.longest_s)
        require.at_least(0, settled_s=self.settled_s)


class Backoff:
    """How long to wait before the next attempt. choose: a number in [0, 1) at random."""

    def __init__(self, config: BackoffConfig, *, choose: Callable[[], float] = random.random) -> None:
        self._config = config
        self._choose = choose
        self._attempts = 0

    def __call__(self, *, lasted_s: float) -> float:
        """Seconds. lasted_s: of the attempt that just ended."""
        config = self._config
        if lasted_s >= config.settled_s:
            self._attempts = 0
        longest_s = min(config.longest_s, config.first_s * 2.0 ** min(self._attempts, 62))
        self._attempts += 1
        return longest_s * (0.5 + self._choose() / 2)
