"""Ctrl-C that is not lost."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Gives a check that raises KeyboardInterrupt if Ctrl-C was pressed in the block, however long ago.

    Python raises it wherever the main thread stands; in a finaliser or a callback from compiled code, it is dropped.
    Where Ctrl-C is ignored (a job in the background of a shell) it stays ignored.
    """
    pressed = False
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        if callable(before):
            before(number, frame)

    def check() -> None:
        if pressed:
            raise KeyboardInterrupt

    if not callable(before):
        yield check
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)
