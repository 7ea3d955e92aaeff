"""Batches as large as the device's memory takes."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from schemas.errors import InvalidValueError

Made = TypeVar("Made")

_SHARE = 0.7  # of the free memory that a larger batch may be expected to take: fragments take some of the rest


class Batches:
    """Runs a function over many items, a batch at a time, and remembers how many the device takes at once.

    Where memory runs out, the batch is halved and its items are run again; where the device tells how much of it is
    free (a GPU does), the batch doubles for as long as twice of what the last one took would fit, up to `largest`.
    """

    def __init__(self, start: int, *, largest: int, device: torch.device) -> None:
        if not 1 <= start <= largest:
            raise InvalidValueError(f"need 1 <= start <= largest, got {start} and {largest}")
        self.size = start
        self._largest = largest
        self._device = device

    def __call__(self, count: int, run: Callable[[slice], Made], *, cost: float = 1.0) -> Iterator[tuple[slice, Made]]:
        """`run(rows)` for slices that cover `range(count)` once and in order, each with what it made.

        cost: of one item, in items of the size that batches are counted in: a picture of four times the pixels is 4.
        Raises what `run` raises, and the error of memory where a single item is too much.
        """
        done = 0
        while done < count:
            rows = slice(done, min(count, done + max(1, int(self.size / cost))))
            failure = None
            before = self._begin()
            try:
                made = run(rows)
            except (RuntimeError, MemoryError) as error:
                if rows.stop - rows.start == 1 or not out_of_memory(error):
                    raise
                failure = str(error)
            # only here, outside of the handler, is the traceback gone that held the tensors of the failed batch
            if failure is not None:
                self.size = max(1, int((rows.stop - rows.start) // 2 * cost))
                if self._device.type == "cuda":
                    torch.cuda.empty_cache()
                continue
            if (rows.stop - rows.start) * cost > self.size / 2:  # a small rest tells too little
                self._grow(before)
            yield rows, made
            done = rows.stop

    def _begin(self) -> int:
        """Bytes in use before a batch."""
        if self._device.type != "cuda":
            return 0
        torch.cuda.reset_peak_memory_stats(self._device)
        return torch.cuda.memory_allocated(self._device)

    def _grow(self, before: int) -> None:
        if self._device.type != "cuda" or self.size == self._largest:
            return
        took = torch.cuda.max_memory_allocated(self._device) - before
        free, _ = torch.cuda.mem_get_info(self._device)
        kept = torch.cuda.memory_reserved(self._device) - torch.cuda.memory_allocated(self._device)
        self.size = grown(self.size, took=took, free=free + kept, largest=self._largest)


def grown(size: int, *, took: int, free: int, largest: int) -> int:
    """The next batch size after one of `size` items took `took` bytes while `free` bytes were to be had."""
    return min(2 * size, largest) if 2 * took <= _SHARE * free else size


def out_of_memory(error: BaseException) -> bool:
    """Whether memory was what lacked. torch has no class of errors for the CPU's."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and (
        "not enough memory" in str(error) or "can't allocate memory" in str(error)
    )
