"""Runs an iterator a few items ahead in a separate thread."""

import queue
import threading
from collections.abc import Generator, Iterator
from typing import TypeVar

Item = TypeVar("Item")


class _End:
    """Marks the end of the iterator, with the error that ended it, if any."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def read_ahead(items: Iterator[Item], *, size: int) -> Generator[Item]:
    """Yields the same items in the same order, and raises the same error, with up to `size` items read ahead.

    Decoding releases the interpreter's lock, so that a decoder without threads of its own
    (msmpeg4 of old surveillance recordings) runs in parallel with the code that uses its frames.

    Nothing else may use the resources of `items` until this iterator has ended or was closed. Once it is
    closed, its thread has ended.
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
        except BaseException as caught:  # raised again in the consumer's thread
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
        while thread.is_alive():  # it may be waiting for room in the queue
            try:
                waiting.get(timeout=0.05)
            except queue.Empty:
                continue
        thread.join()
