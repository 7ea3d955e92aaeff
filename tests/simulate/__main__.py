"""Runs many drawn schedules of a follower, and compares some of them with LanceDB.

    python -m tests.simulate --seeds 10000
    python -m tests.simulate --seeds 0 --against-lancedb 200

It prints each seed that shows a problem, and ends with exit code 1 if there was one. `--fault` puts a mended fault
back, which it must then find.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path

from tests.simulate.put_back import FAULTS, put_back
from tests.simulate.schedule import Outcome, Schedule, differences

_AT_ONCE = 20


def run(seeds: range, fault: str | None = None) -> list[tuple[int, Outcome]]:
    """The outcomes of some seeds, without the contents of tables."""
    found = []
    with nullcontext() if fault is None else put_back(fault):
        for seed in seeds:
            outcome = Schedule(seed).run()
            outcome.tables = {}
            found.append((seed, outcome))
    return found


def compare(seed: int) -> tuple[int, list[str]]:
    """What differs between tables in memory and LanceDB after the same schedule."""
    with tempfile.TemporaryDirectory(prefix="simulate-") as folder:
        return seed, differences(Schedule(seed, watches=False).run(), Schedule(seed, lance=Path(folder) / "lake").run())


def _chunks(seeds: range) -> Iterator[range]:
    for at in range(0, len(seeds), _AT_ONCE):
        yield seeds[at : at + _AT_ONCE]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--against-lancedb", type=int, default=0, metavar="N", help="compare this many schedules")
    parser.add_argument("--fault", choices=FAULTS)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    wrong = 0
    events: Counter[str] = Counter()
    seeds = range(asked.first, asked.first + asked.seeds)
    with ProcessPoolExecutor(asked.processes, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(run, chunk, asked.fault) for chunk in _chunks(seeds)]
        for done in jobs:
            for seed, outcome in done.result():
                events += outcome.events
                if outcome.problems:
                    wrong += 1
                    print(f"seed {seed}: {'; '.join(outcome.problems[:3])}", flush=True)
        compared = [pool.submit(compare, asked.first + number) for number in range(asked.against_lancedb)]
        for each in compared:
            seed, differing = each.result()
            if differing:
                wrong += 1
                print(f"seed {seed} differs from LanceDB: {'; '.join(differing[:3])}", flush=True)
    counted = ", ".join(f"{count:,} × {name}" for name, count in sorted(events.items()))
    print(f"{len(seeds):,} schedules and {asked.against_lancedb:,} against LanceDB, {wrong:,} with problems; {counted}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
