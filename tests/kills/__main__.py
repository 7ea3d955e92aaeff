"""Kills processes at random moments, and verifies each time that no row or hit is lost or doubled.

    python -m tests.kills writer watcher ring backfill live --kills 1000 --folder kills --data DATA

writer: of a lake, beside upkeep. watcher: beside a writer. ring: what keeps the video of a feed. backfill: the driver
or a decoder of an ingest of some clips. live: the follower of three feeds and their decoders, beside a watch. The kills
are divided among those that are named: by far the most are of writers and watchers, which take a second each and not a
minute.
The folder keeps what was done: the same command continues there. Exit code 1: something was wrong.
"""

import argparse
import os
import random
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pipeline.lake.lake import Lake
from tests.integration.clips import make_clip
from tests.integration.kills import assert_equal_and_sound, finish, kill_and_rerun, start
from tests.kills.ring import kill_ring
from tests.kills.watcher import kill_watcher
from tests.kills.writer import kill_writer
from tests.live.faults.fault_run import fault_run
from tests.live.faults.inflict import inflict
from tests.progress import Progress

Round = Callable[[Path, int], int]  # an empty folder and a seed → number of kills
_SHARES = {"writer": 0.5, "watcher": 0.32, "ring": 0.1, "backfill": 0.04, "live": 0.04}
_AT_ONCE = {"writer": 20, "watcher": 8, "ring": 20, "backfill": 1, "live": 10}  # kills in one round


def kill_backfill(made: Path, folder: Path, seed: int) -> int:
    """made: a folder for clips and the lake of an ingest without kills, which later rounds use again."""
    clips = made / "clips"
    if not (made / "clean").exists():
        clips.mkdir()
        for number in range(10):
            make_clip(clips / f"clip-{number}.mp4", seed=number)
        finish(start(clips, made / "clean", "local", dict(os.environ)))
    victim = ("driver", "decoder")[seed % 2]
    kill_and_rerun(victim, random.Random(seed), "local", clips, folder, dict(os.environ))
    assert_equal_and_sound(folder, Lake.open(str(made / "clean")))
    return 1


def kill_live(data: Path, folder: Path, seed: int) -> int:
    del folder  # it has one of its own, with a small disk
    count = _AT_ONCE["live"]
    with fault_run(data, engine="local", seed=seed) as run:
        inflict(run, count, only=["follower killed", "decoder killed"])
        for line in run.report():
            print(line, flush=True)
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", choices=list(_SHARES))
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--folder", type=Path, required=True, help="where it continues")
    parser.add_argument("--data", type=Path, help="for live: folder of the data sets in tests/conftest.py")
    args = parser.parse_args()
    if "live" in args.what and args.data is None:
        parser.error("live needs --data")
    args.folder.mkdir(parents=True, exist_ok=True)
    progress = Progress(args.folder / "done.jsonl")
    with tempfile.TemporaryDirectory(prefix="kills-") as temporary:
        rounds: dict[str, Round] = {
            "writer": lambda folder, seed: kill_writer(folder, seed=seed, rounds=_AT_ONCE["writer"]),
            "ring": lambda folder, seed: kill_ring(folder, seed=seed, rounds=_AT_ONCE["ring"]),
            "watcher": lambda folder, seed: kill_watcher(folder, seed=seed, rounds=_AT_ONCE["watcher"]),
            "backfill": partial(kill_backfill, Path(temporary)),
            "live": partial(kill_live, args.data),
        }
        total = sum(_SHARES[what] for what in args.what)
        for what in args.what:
            wanted, seed = args.kills * _SHARES[what] / total, 0
            while progress.events(what) < wanted:
                seed += 1
                for case in progress.left([f"{what}, seed {seed}"]):
                    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
                        _run(progress, case, partial(rounds[what], Path(folder), seed))
                assert seed < 10 * wanted, f"of {what} hardly any process could be killed"
    for line in progress.report():
        print(line)
    raise SystemExit(any(progress.problems.values()))


def _run(progress: Progress, case: str, work: Callable[[], int]) -> None:
    killed, problems = 0, []
    try:
        killed = work()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        problems = [f"{type(error).__name__}: {error}"]
    progress.add(case, problems, events=killed)


if __name__ == "__main__":
    main()
