"""Runs many drawn schedules of a follower, and compares some of them with LanceDB.

    python -m tests.simulate --seeds 10000 --folder simulated
    python -m tests.simulate --seeds 0 --against-lancedb 200 --folder simulated

The folder keeps what was run: the same command continues there. Each problem is printed with its seed; the exit code is
then 1. `--fault` puts a fault back that was repaired, which must then be found.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from tests.progress import Progress
from tests.simulate.put_back import FAULTS
from tests.simulate.runs import compare, run

Result = tuple[list[str], int]  # problems, number of steps


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--against-lancedb", type=int, default=0, metavar="N", help="compare this many schedules")
    parser.add_argument("--fault", choices=FAULTS)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="simulate-") as scratch:
        folder = asked.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        progress = Progress(folder / "simulated.jsonl")
        # a case is called "steps of seed 7" or "steps against LanceDB, seed 7"
        cases: dict[str, tuple[Callable[..., Result], tuple[object, ...]]] = {}
        for seed in range(asked.first, asked.first + asked.seeds):
            cases[f"steps{f' with the fault that {asked.fault}' if asked.fault else ''}, seed {seed}"] = (
                run,
                (seed, asked.fault),
            )
        for seed in range(asked.first, asked.first + asked.against_lancedb):
            cases[f"steps against LanceDB, seed {seed}"] = (compare, (seed,))
        _run(cases, progress.left(cases), progress, processes=asked.processes)
        for line in progress.report():
            print(line)
        return int(any(progress.problems.values()))


def _run(
    cases: dict[str, tuple[Callable[..., Result], tuple[object, ...]]],
    left: Iterable[str],
    progress: Progress,
    *,
    processes: int,
) -> None:
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        running: dict[Future[Result], str] = {}
        for case in left:
            work, arguments = cases[case]
            running[pool.submit(work, *arguments)] = case
        for done in as_completed(running):
            problems, steps = done.result()
            progress.add(running[done], problems, events=steps)
            if problems:
                print(f"{running[done]}: {'; '.join(problems[:3])}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
