"""Time and memory of commands from a cold start, compared with importing LanceDB in the same run.

    python -m tests.bench.cold_start [--rounds 9] [--regions 1400]

Each command runs in a process of its own, with its files in the page cache. The commands take turns, so that a busy
machine is busy for all of them. Wall time: median of the rounds. Memory: peak of one process. "new user" has a home
without caches.
"""

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.machine import processor

ROOT = Path(__file__).parents[2]
BASELINE = "import lancedb"


@dataclass(frozen=True, slots=True)
class Run:
    wall_s: float
    memory_mb: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--regions", type=int, default=1400)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        # in another process: a child inherits the peak memory of its parent
        preparing = multiprocessing.get_context("spawn").Process(target=_prepare, args=(folder, options.regions))
        preparing.start()
        preparing.join()
        runs: dict[str, list[Run]] = {}
        for number in range(options.rounds + 1):
            for name, arguments, home in _commands(folder, number):
                run = _run(arguments, home=home)
                if number:  # the first round reads the files into memory
                    runs.setdefault(name, []).append(run)
    _print(runs, rounds=options.rounds)


def _prepare(folder: Path, regions: int) -> None:
    """Writes a lake and a picture into the folder."""
    import numpy as np
    from PIL import Image

    from operators.encoders.everyday.encoder import everyday_space
    from tests.bench.search import REGIONS_A_FRAME, make_lake

    make_lake(str(folder / "lake"), everyday_space(), frames=-(-regions // REGIONS_A_FRAME))
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    Image.fromarray(noise).save(folder / "picture.png")


def _commands(folder: Path, number: int) -> list[tuple[str, list[str], Path]]:
    """Name, arguments of Python, and home folder of each command."""
    regionlake, lake = ["-m", "deploy.cli.main"], ["--lake", str(folder / "lake")]
    home, new = Path.home(), folder / f"home-{number}"
    new.mkdir()
    search = [*regionlake, "search", "a bicycle", *lake]
    ingest = [*regionlake, "ingest", str(folder / "picture.png"), "--lake", str(folder / f"lake-{number}")]
    return [
        (BASELINE, ["-c", BASELINE], home),
        ("regionlake --help", [*regionlake, "--help"], home),
        ("regionlake status", [*regionlake, "status", *lake], home),
        ("regionlake search", search, home),
        ("regionlake search, new user", search, new),
        ("regionlake ingest of a picture, new user", ingest, new),
    ]


def _run(arguments: Sequence[str], *, home: Path) -> Run:
    """Runs a command once. Raises RuntimeError if it fails."""
    started = time.perf_counter()
    nowhere = [(os.POSIX_SPAWN_OPEN, out, os.devnull, os.O_WRONLY, 0) for out in (1, 2)]
    child = os.posix_spawn(
        sys.executable,
        [sys.executable, *arguments],
        {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT)},
        file_actions=nowhere,
    )
    _, status, usage = os.wait4(child, 0)
    if status:
        raise RuntimeError(f"python {' '.join(arguments)} failed: {os.waitstatus_to_exitcode(status)}")
    return Run(time.perf_counter() - started, usage.ru_maxrss * 1024 / 1e6)


def _print(runs: dict[str, list[Run]], *, rounds: int) -> None:
    print(f"{processor()}, {len(os.sched_getaffinity(0))} cores; median of {rounds}\n")
    print("| command | wall time | beside the import | memory |\n| --- | --- | --- | --- |")
    baseline = statistics.median(run.wall_s for run in runs[BASELINE])
    for name, each in runs.items():
        wall = statistics.median(run.wall_s for run in each)
        memory = max(run.memory_mb for run in each)
        print(f"| `{name}` | {wall:.2f} s | {wall / baseline:.2f} | {memory:.0f} MB |")


if __name__ == "__main__":
    main()
