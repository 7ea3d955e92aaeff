"""Ctrl-C that is not lost, and an end that leaves nothing half done."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SAME_S = 1.0  # a signal to a process and to its group is one


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


@contextmanager
def ended_by_signal(told: str) -> Iterator[threading.Event]:
    """Set by the first Ctrl-C or SIGTERM, of which `told` is printed; the second Ctrl-C interrupts as ever."""
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
        print(told, file=sys.stderr, flush=True)

    for number in before:
        signal.signal(number, end)
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
