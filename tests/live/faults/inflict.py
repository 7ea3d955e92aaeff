"""Runs faults one after the other, and checks what must be true after each."""

import random
import time
from collections.abc import Callable, Sequence

from tests.live.faults.fault_run import FaultRun


def inflict(run: FaultRun, faults: int, *, only: Sequence[str] = (), say: Callable[[str], object] = print) -> None:
    """Inflicts the given number of random faults, waits for the recovery from each, and ends in order."""
    chance = random.Random(faults)
    known = run.all()
    run.begin()
    names = list(only) or sorted(known)
    order = [name for _ in range(-(-faults // len(names))) for name in chance.sample(names, len(names))][:faults]
    for n, name in enumerate(order):
        began = time.monotonic()
        known[name]()
        run.recover()
        assert run.watch is not None
        run.watch.settled()
        run.faults[name] += 1
        say(f"{n + 1:>3} {name}: live again, and committing, {time.monotonic() - began:.0f} s after it began")
    run.end()
