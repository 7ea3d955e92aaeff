"""Finds the largest batches that the memory of the device allows."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from schemas.errors import InvalidValueError

Made = TypeVar("Made")

_SHARE = 0.7  # share of the free memory that a larger batch may use: fragmentation takes some of the rest


class Batches:
    """Runs a function over many items, a batch at a time, and remembers how large batches may be.

    If memory runs out, the batch is halved and its items are run again. If the device reports its free memory (a GPU
    does), the batch doubles as long as twice the memory of the last one would fit, up to `largest`.
    """

    def __init__(self, start: int, *, largest: int, device: torch.device) -> None:
        if not 1 <= start <= largest:
            raise InvalidValueError(f"need 1 <= start <= largest, got {start} and {largest}")
        self.size = start
        self._largest = largest
        self._device = device

    def __call__(self, count: int, run: Callable[[slice], Made], *, cost: float = 1.0) -> Iterator[tuple[slice, Made]]:
        """Yields each slice and `run(slice)`, for slices that cover `range(count)` once and in order.

        cost: cost of one item in units of batch size: a picture with four times the pixels costs 4.
        Raises the errors of `run`, among them that of memory if a single item exceeds it.
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
            # outside of the handler, where the traceback no longer holds the tensors of the failed batch
            if failure is not None:
                self.size = max(1, int((rows.stop - rows.start) // 2 * cost))
                if self._device.type == "cuda":
                    torch.cuda.empty_cache()
                continue
            if (rows.stop - rows.start) * cost > self.size / 2:  # a small remainder says too little
                self._grow(before)
            yield rows, made
            done = rows.stop

    def _begin(self) -> int:
        """The number of bytes in use before a batch."""
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
    """The next batch size after a batch of `size` items used `took` bytes while `free` bytes are available."""
    return min(2 * size, largest) if 2 * took <= _SHARE * free else size


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out. torch has no error class for the memory of the CPU."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and (
        "not enough memory" in str(error) or "can't allocate memory" in str(error)
    )
