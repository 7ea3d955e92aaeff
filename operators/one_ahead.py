"""What is prepared for a model, prepared beside it."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def one_ahead(items: Iterator[Item]) -> Generator[Item]:
    """The same items in the same order, and the same error: while one is looked at, a thread makes the next.

    Pays where making them leaves the interpreter's lock, as Pillow does, and what looks at them leaves gaps.
    """
    nothing = object()
    with ThreadPoolExecutor(1, "ahead") as thread:
        waiting = thread.submit(next, items, nothing)
        while (item := waiting.result()) is not nothing:
            waiting = thread.submit(next, items, nothing)
            yield item  # type: ignore[misc]  # it is not the sign of the end
