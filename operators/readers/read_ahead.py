"""Runs an iterator a few items ahead, in a thread of its own."""

import queue
import threading
from collections.abc import Generator, Iterator
from typing import TypeVar

Item = TypeVar("Item")


class _End:
    """The iterator ended, by itself or with an error."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def read_ahead(items: Iterator[Item], *, size: int) -> Generator[Item]:
    """The same items in the same order, and the same error, with up to `size` of them waiting.

    Decoding releases the interpreter's lock, so that a decoder without threads of its own
    (msmpeg4 of old surveillance recordings) works beside what looks at its frames.

    Nothing else may use what `items` uses until this iterator has ended or was closed; when it is
    closed, the thread has ended.
    """
    waiting: queue.Queue[Item | _End] = queue.Queue(size)
    closed = threading.Event()

    def run() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                waiting.put(item)
                if closed.is_set():
                    break
        except BaseException as caught:  # handed on to whoever iterates
            error = caught
        finally:
            waiting.put(_End(error))

    thread = threading.Thread(target=run, name="read-ahead", daemon=True)
    thread.start()
    try:
        while True:
            item = waiting.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        closed.set()
        while thread.is_alive():  # it may wait for room
            try:
                waiting.get(timeout=0.05)
            except queue.Empty:
                continue
        thread.join()
