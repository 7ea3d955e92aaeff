"""Runs single schedules, in processes of their own."""

import tempfile
from contextlib import nullcontext
from pathlib import Path

from tests.simulate.put_back import put_back
from tests.simulate.schedule import Schedule, differences


def run(seed: int, fault: str | None = None) -> tuple[list[str], int]:
    """The problems of a schedule, and the number of its steps."""
    with nullcontext() if fault is None else put_back(fault):
        outcome = Schedule(seed).run()
    return outcome.problems, outcome.steps


def compare(seed: int) -> tuple[list[str], int]:
    """What differs between tables in memory and LanceDB after the same schedule, and the number of its steps."""
    with tempfile.TemporaryDirectory(prefix="simulate-") as folder:
        in_memory = Schedule(seed, watches=False).run()
        return differences(in_memory, Schedule(seed, lance=Path(folder) / "lake").run()), in_memory.steps
