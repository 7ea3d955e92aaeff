"""How long each step of a search took."""

import time


class Steps:
    """Times of steps that follow one another. ms: step → time in ms."""

    def __init__(self) -> None:
        self._first = self._began = time.perf_counter()
        self.ms: dict[str, float] = {}

    def end(self, step: str) -> None:
        """Ends a step, which began when the one before it ended."""
        now = time.perf_counter()
        self.ms[step] = round((now - self._began) * 1e3, 3)
        self._began = now

    @property
    def total_ms(self) -> float:
        """The time since the first step began."""
        return (time.perf_counter() - self._first) * 1e3
