"""Catches items that are lost or reordered in the thread, errors that are swallowed, and threads that do not end."""

import itertools
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.readers.read_ahead import read_ahead


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "read-ahead"]


@settings(deadline=None)
@given(items=st.lists(st.integers()), size=st.integers(1, 5))
def test_the_same_items_come_in_the_same_order(items: list[int], size: int) -> None:
    assert list(read_ahead(iter(items), size=size)) == items
    assert not threads()


@settings(deadline=None)
@given(good=st.integers(0, 20), size=st.integers(1, 5))
def test_an_error_comes_after_the_items_before_it(good: int, size: int) -> None:
    def failing() -> Iterator[int]:
        yield from range(good)
        raise OSError("broken here")

    seen: list[int] = []

    def consume() -> None:
        for item in read_ahead(failing(), size=size):
            seen.append(item)  # noqa: PERF402 - list() would lose them all at the error

    with pytest.raises(OSError, match="broken here"):
        consume()
    assert seen == list(range(good))
    assert not threads()


@settings(deadline=None)
@given(taken=st.integers(0, 10), size=st.integers(1, 5))
def test_closing_early_ends_the_thread_and_reads_no_further(taken: int, size: int) -> None:
    made: list[int] = []
    endless = (made.append(i) or i for i in itertools.count())  # type: ignore[func-returns-value]
    ahead = read_ahead(endless, size=size)
    assert list(itertools.islice(ahead, taken)) == list(range(taken))
    ahead.close()
    assert not threads()
    assert len(made) <= taken + 2 * size + 3  # also what was taken out to make room for the end
