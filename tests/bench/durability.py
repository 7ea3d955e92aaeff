"""Commits that sync what they write, and the same commits without a sync, alternately in the same run.

    python -m tests.bench.durability [--commits 40] [--keyframes 2] [--regions 64] [--dimension 768] [--folder DIR]

Each commit is one segment, as a follower makes them twice a second. DIR: on the disk to be measured.
"""

import argparse
import os
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from schemas.vectors import VectorSpace
from tests.bench.machine import processor
from tests.pipeline.lake.synthetic import World, fold_shots, stored


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commits", type=int, default=40)
    parser.add_argument("--keyframes", type=int, default=2, help="of a commit")
    parser.add_argument("--regions", type=int, default=64, help="of a keyframe")
    parser.add_argument("--dimension", type=int, default=768)
    parser.add_argument("--folder", type=Path, help="for the lakes")
    options = parser.parse_args()
    space = VectorSpace("synthetic", "1", options.dimension, "none")
    length = options.commits * options.keyframes
    world = World(1, length=length + 1, step=1, regions=options.regions, space=space)  # it is never complete
    rows = [world.rows(segment) for segment in world.segments(options.commits + 1)[:-1]]
    sync = os.fsync
    syncs = 0

    def counted(file: int) -> None:
        nonlocal syncs
        syncs += 1
        sync(file)

    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        times: dict[bool, list[float]] = {True: [], False: []}
        cpu = {True: 0.0, False: 0.0}
        writers = {
            synced: Committer(Lake.create_or_open(f"{folder}/{synced}", space), plan=stored(), fold_shots=fold_shots)
            for synced in times
        }
        for writer in writers.values():
            writer.register(world.source)
        for item in rows:
            for synced, writer in writers.items():
                os.fsync = counted if synced else lambda _: None  # type: ignore[assignment]
                began, began_cpu = perf_counter(), process_time()
                writer.commit([item])
                times[synced].append(perf_counter() - began)
                cpu[synced] += process_time() - began_cpu
        os.fsync = sync
        for writer in writers.values():
            writer.close()
    print(
        f"{processor()}, {os.cpu_count()} CPUs; {options.commits} commits of {options.keyframes} keyframes with",
        end=" ",
    )
    print(f"{options.regions} regions of {options.dimension} dimensions; {syncs / len(rows):.0f} syncs a commit")
    print(f"{'commits':10}{'median ms':>12}{'95th ms':>12}{'CPU ms':>10}")
    for synced, name in ((False, "unsynced"), (True, "synced")):
        found = sorted(times[synced])
        late = found[int(0.95 * (len(found) - 1))]
        print(f"{name:10}{median(found) * 1e3:12.1f}{late * 1e3:12.1f}{cpu[synced] / len(found) * 1e3:10.1f}")
    print(f"a synced commit takes {median(times[True]) / median(times[False]):.2f} times as long as an unsynced one")


if __name__ == "__main__":
    main()
