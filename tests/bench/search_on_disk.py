"""A search that begins anew over a large lake: columns in memory beside columns on disk, each in a process of its own.

    python -m tests.bench.search_on_disk [--regions 1000000] [--dimension 128] [--rounds 5]

The first process with columns on disk writes them; those after it map them. A process loads no model: its query is a
drawn vector, by itself and with boxes. Times are medians of rounds, in which both take turns; memory is the largest
of what a process had for itself (anonymous) and of the files that it had mapped, which the system drops where memory
is short. `--dropped` drops the page cache before each process (needs root), so that all comes from the disk.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from schemas.vectors import VectorSpace
from tests.bench.machine import processor
from tests.bench.search import BOXES, REGIONS_A_FRAME, make_lake

_ASKED = f"""
import json, sys, threading, time
from pathlib import Path

peak = {{"RssAnon": 0, "RssFile": 0}}
def look():
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in peak:
            peak[name] = max(peak[name], int(value.split()[0]) // 1024)
def watch():
    while True:
        look()
        time.sleep(0.02)

start = time.perf_counter()
from pipeline.lake.lake import Lake
from pipeline.search.searcher import Searcher
from schemas.query import Query
from tests.pipeline.search.drawn import DrawnEncoder
threading.Thread(target=watch, daemon=True).start()
lake = Lake.open(sys.argv[1])
searcher = Searcher(lake, DrawnEncoder(lake.space), resident=sys.argv[2])
imported = time.perf_counter()
searcher.refresh()
loaded = time.perf_counter()
boxes = {BOXES!r}
queries = {{"text": Query(text="somebody")}} | {{
    "text + " + name: Query(text="somebody", box=box) for name, box in boxes.items()
}}
first, again, hits = {{}}, {{}}, {{}}
for name, query in queries.items():
    begun = time.perf_counter()
    hits[name] = [(h.frame_id, h.place.region_id, h.distance) for h in searcher.search(query).hits]
    first[name] = (time.perf_counter() - begun) * 1e3
for name, query in queries.items():
    taken = []
    for _ in range(5):
        begun = time.perf_counter()
        searcher.search(query)
        taken.append((time.perf_counter() - begun) * 1e3)
    again[name] = sorted(taken)[2]
look()
print(json.dumps({{"imports_s": imported - start, "load_s": loaded - imported, "first_ms": first, "again_ms": again,
                  "hits": hits, **peak}}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regions", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dropped", action="store_true")
    parser.add_argument("--lake", type=Path, help="made if it is not there, and left; by default a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lake = options.lake or Path(folder) / "lake"
        if not lake.exists():
            space = VectorSpace("synthetic", "1", options.dimension, "none")
            make_lake(str(lake), space, frames=options.regions // REGIONS_A_FRAME)
        bench(lake, rounds=options.rounds, dropped=options.dropped)


def bench(lake: Path, *, rounds: int, dropped: bool) -> None:
    start = time.perf_counter()
    written = _asked(lake, "disk", dropped=False)
    print(f"machine: {processor()}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}")
    print(f"the first process writes {_mib(lake / '.search'):,} MiB beside a lake of {_mib(lake):,} MiB, and answers ")
    print(f"after {time.perf_counter() - start:.1f} s, of which reading and writing took {written['load_s']:.1f} s\n")
    runs: dict[str, list[dict[str, object]]] = {"float16": [], "disk": []}
    for _ in range(rounds):
        for held, found in runs.items():
            found.append(_asked(lake, held, dropped=dropped))
    answers = [each["hits"] for found in runs.values() for each in found]
    assert all(each == answers[0] for each in answers), "memory and disk give different answers"
    names = list(runs["disk"][0]["first_ms"])  # type: ignore[call-overload]
    head = [f"{name}, first / again" for name in names]
    print(f"{'columns':8} {'load':>8} {'own memory':>11} {'mapped':>10}  " + "  ".join(f"{name:>32}" for name in head))
    for held, found in runs.items():
        load, own, mapped = (_median(found, key) for key in ("load_s", "RssAnon", "RssFile"))
        times = "  ".join(
            f"{_median(found, 'first_ms', name):20.0f} / {_median(found, 'again_ms', name):5.0f} ms" for name in names
        )
        print(f"{held:8} {load:6.2f} s {own:7,.0f} MiB {mapped:6,.0f} MiB  {times}")


def _asked(lake: Path, held: str, *, dropped: bool) -> dict[str, object]:
    if dropped:
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3")
    command = [sys.executable, "-c", _ASKED, str(lake), held]
    found: dict[str, object] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


def _median(found: list[dict[str, object]], key: str, name: str | None = None) -> float:
    return statistics.median(each[key] if name is None else each[key][name] for each in found)  # type: ignore[index, misc]


def _mib(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) >> 20


if __name__ == "__main__":
    main()
