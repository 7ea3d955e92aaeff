"""Makes sure that Ctrl-C is never lost, and that a run ends in an orderly way."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_SAME_S = 1.0  # a signal that reaches both a process and its group counts once


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Yields a check that raises KeyboardInterrupt if Ctrl-C was pressed at any time in the block.

    Python raises KeyboardInterrupt wherever the main thread is; in a finaliser, or in a callback from compiled code,
    the exception is dropped. If Ctrl-C is ignored (a background job of a shell), it stays ignored.
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


@contextmanager
def ended_by_signal(message: str) -> Iterator[threading.Event]:
    """Yields an event that the first Ctrl-C or SIGTERM sets, printing `message`; a second one interrupts as usual."""
    ended = threading.Event()
    first_s = 0.0
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal first_s
        if ended.is_set() and time.monotonic() - first_s < _SAME_S:
            return
        if ended.is_set():
            usual = before[signal.SIGINT]
            if callable(usual):
                usual(number, frame)
            raise KeyboardInterrupt
        ended.set()
        first_s = time.monotonic()
        with suppress(Exception):  # a terminal that is gone, or a print that this signal interrupted, ends nothing
            print(message, file=sys.stderr, flush=True)

    for number in before:
        signal.signal(number, end)
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
