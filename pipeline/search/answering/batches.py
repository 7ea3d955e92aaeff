"""Calls that wait while another one runs are answered together."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class _Waiting(Generic[T, R]):
    def __init__(self, item: T) -> None:
        self.item = item
        self.answer: R | None = None
        self.error: BaseException | None = None
        self.done = False


class Batches(Generic[T, R]):
    """Calls `answer` with all items that wait, at most `most` at once, in the order in which they came.

    Of the threads that wait, one answers for all. `answer` returns for each item its result, or the error that is
    raised for it alone; an error that it raises is raised for all of the batch.
    `turn`: the lock that is held meanwhile; others may take it to change what the answers depend on.
    """

    def __init__(self, answer: Callable[[Sequence[T]], Sequence[R | Exception]], *, most: int) -> None:
        self._answer = answer
        self._most = most
        self._queue: deque[_Waiting[T, R]] = deque()
        self.turn = threading.Lock()

    def __call__(self, item: T) -> R:
        mine: _Waiting[T, R] = _Waiting(item)
        self._queue.append(mine)
        while not mine.done:  # a batch may end before its turn comes
            with self.turn:
                if not mine.done:
                    self._answer_batch()
        if mine.error is not None:
            raise mine.error
        return mine.answer  # type: ignore[return-value]

    @property
    def waiting(self) -> int:
        """Number of calls that wait for the next batch."""
        return len(self._queue)

    def _answer_batch(self) -> None:
        batch = [self._queue.popleft() for _ in range(min(self._most, len(self._queue)))]
        try:
            for waiting, found in zip(batch, self._answer([each.item for each in batch]), strict=True):
                if isinstance(found, Exception):
                    waiting.error = found
                else:
                    waiting.answer = found
        except BaseException as error:
            for waiting in batch:
                waiting.error = error
        for waiting in batch:
            waiting.done = True
