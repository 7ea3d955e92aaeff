"""Catches items that are lost or repeated when memory runs out, and batches that do not grow again afterwards."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from operators.runtime.batches import Batches, grown
from schemas.errors import InvalidValueError

CPU = torch.device("cpu")
ERRORS: list[Callable[[], Exception]] = [
    lambda: torch.OutOfMemoryError("CUDA out of memory"),
    lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 64 bytes"),
    MemoryError,
]


def takes_at_most(limit: int, error: Callable[[], Exception] = MemoryError) -> Callable[[slice], list[int]]:
    def run(rows: slice) -> list[int]:
        if rows.stop - rows.start > limit:
            raise error()
        return list(range(rows.start, rows.stop))

    return run


@given(st.integers(0, 200), st.integers(1, 64), st.integers(1, 64))
def test_every_item_is_run_once_and_in_order_whatever_fits(count: int, start: int, limit: int) -> None:
    batches = Batches(start, largest=64, device=CPU)
    made = [item for _, items in batches(count, takes_at_most(limit)) for item in items]
    assert made == list(range(count))
    assert batches.size <= start


@pytest.mark.parametrize("error", ERRORS)
def test_a_batch_that_does_not_fit_is_halved_and_the_next_begins_with_what_did(error: Callable[[], Exception]) -> None:
    batches = Batches(32, largest=32, device=CPU)
    assert [rows.stop - rows.start for rows, _ in batches(40, takes_at_most(10, error))] == [8] * 5
    assert [rows.stop - rows.start for rows, _ in batches(10, takes_at_most(10, error))] == [8, 2]


def test_an_item_of_more_pixels_counts_for_more() -> None:
    batches = Batches(32, largest=32, device=CPU)
    assert [rows.stop - rows.start for rows, _ in batches(20, takes_at_most(99), cost=4.0)] == [8, 8, 4]
    assert [rows.stop - rows.start for rows, _ in batches(2, takes_at_most(99), cost=100.0)] == [1, 1]


def test_one_item_that_does_not_fit_is_an_error_and_so_is_any_other() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        list(Batches(8, largest=8, device=CPU)(3, takes_at_most(0, ERRORS[0])))
    with pytest.raises(RuntimeError, match="shapes"):
        list(Batches(8, largest=8, device=CPU)(3, takes_at_most(2, lambda: RuntimeError("shapes do not match"))))
    with pytest.raises(InvalidValueError, match="start <= largest"):
        Batches(8, largest=4, device=CPU)


def test_a_batch_doubles_while_twice_of_it_would_fit() -> None:
    assert grown(64, took=1_000, free=10_000, largest=512) == 128
    assert grown(64, took=4_000, free=10_000, largest=512) == 64
    assert grown(512, took=1_000, free=10_000, largest=512) == 512
    assert grown(300, took=1_000, free=10_000, largest=512) == 512


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_on_a_gpu_batches_grow_and_survive_a_lack_of_memory() -> None:
    device = torch.device("cuda")
    batches = Batches(1, largest=64, device=device)
    seen = [rows.stop - rows.start for rows, _ in batches(256, lambda rows: torch.ones(rows.stop, device=device).sum())]
    assert sum(seen) == 256
    assert max(seen) == 64
    free, _ = torch.cuda.mem_get_info()
    item = free // 8  # eight fit at most

    def run(rows: slice) -> int:
        return torch.empty((rows.stop - rows.start, item), dtype=torch.uint8, device=device).shape[0]

    assert sum(n for _, n in batches(70, run)) == 70
    assert batches.size <= 8
