"""Load of the service: latency and throughput of searches for 1, 8 and 32 clients, alone and beside an ingest.

    python -m tests.bench.serve_load [--regions 500000] [--clients 1,8,32] [--seconds 20] [--lake FOLDER]

The lake is made of real vectors: regions of a clip, by the default model, each moved a little at random; their boxes
are drawn. `regionlake serve` runs in a process of its own, and clients ask it over HTTP from this one, each the next
question when it has its answer: words and a box that nobody asked before, the 200 nearest, as the page does. The ingest
is `regionlake ingest` of new clips into the same lake, one after the other, in another process.
"""

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import httpx2 as httpx
import numpy as np

import regionlake as rl
from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from schemas.vectors import VectorArray, normalise
from tests.bench.machine import processor
from tests.bench.search import FRAMES_A_SEGMENT, REGIONS_A_FRAME, segment_rows, source
from tests.deploy.server.serving import served
from tests.integration.clips import make_clip
from tests.pipeline.lake.synthetic import fold_shots, stored

WORDS = (
    "a person",
    "a car",
    "a bicycle",
    "a white box",
    "a dog",
    "a tree",
    "a red thing",
    "a street",
    "somebody walking",
)
JITTER = 0.15  # of the length of a vector
CLIP_S = 20
ANSWER_S = 60.0


@dataclass(slots=True)
class Load:
    """ms: of answered searches. refused: number of others, by their status. took_s: of the whole measurement."""

    ms: list[float] = field(default_factory=list)
    refused: Counter[int] = field(default_factory=Counter)
    took_s: float = 0.0

    def __str__(self) -> str:
        if not self.ms:
            return f"no answer; refused {dict(self.refused)}"
        p50, p99 = np.percentile(self.ms, [50, 99])
        refused = f"  refused {dict(self.refused)}" if self.refused else ""
        return f"{p50:8.0f} {p99:8.0f} {len(self.ms) / self.took_s:9.1f}{refused}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regions", type=int, default=500_000)
    parser.add_argument("--clients", default="1,8,32")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--lake", type=Path, help="keeps the lake here, and continues with one that is there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lake = options.lake or Path(folder) / "lake"
        if not lake.exists():
            make_lake(lake, Path(folder), regions=options.regions)
        bench(lake, Path(folder), clients=[int(each) for each in options.clients.split(",")], seconds=options.seconds)


def make_lake(path: Path, folder: Path, *, regions: int) -> None:
    """A lake of about so many regions, whose vectors are those of a clip, each moved at random."""
    clip = make_clip(folder / "real.mp4", seed=3, seconds=CLIP_S)
    report = rl.ingest(clip, lake=folder / "real")
    assert report.ok
    real = Lake.open(str(folder / "real"))
    vectors = np.array(real.read("regions", columns=["vector"])["vector"].to_pylist(), np.float32)
    rng = np.random.default_rng(0)
    made = Lake.create_or_open(str(path), real.space)
    frames = regions // REGIONS_A_FRAME
    with Committer(made, plan=stored(), fold_shots=fold_shots) as committer:
        for number, first in enumerate(range(0, frames, FRAMES_A_SEGMENT)):
            count = min(FRAMES_A_SEGMENT, frames - first)
            rows = segment_rows(
                source(number, frames=count), made.space, seed=number, draw=lambda n: moved(vectors, n, rng)
            )
            committer.register(rows.segment.source)
            committer.commit([rows])


def moved(vectors: VectorArray, count: int, rng: np.random.Generator) -> VectorArray:
    """float32 (count, D), of unit length: some of the vectors, each moved at random."""
    chosen = vectors[rng.integers(len(vectors), size=count)]
    noise = rng.normal(size=chosen.shape).astype(np.float32) * np.float32(JITTER / np.sqrt(chosen.shape[1]))
    return normalise(normalise(chosen) + noise)


def bench(lake: Path, folder: Path, *, clients: list[int], seconds: float) -> None:
    with served(lake) as url:
        ready(url)
        held = httpx.get(f"{url}/api/status", timeout=ANSWER_S).json()["lake"]
        print(f"machine: {processor()}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}")
        print(f"lake: {held['regions']:,} regions of {held['keyframes']:,} keyframes; {seconds:g} s each\n")
        print(f"{'clients':>7}  {'beside':10} {'p50 ms':>8} {'p99 ms':>8} {'answers/s':>9}")
        for ingesting in (False, True):
            with beside(lake, folder) if ingesting else nullcontext():
                for count in clients:
                    load = measured(url, clients=count, seconds=seconds)
                    print(f"{count:7}  {'an ingest' if ingesting else 'nothing':10} {load}", flush=True)
        after = httpx.get(f"{url}/api/status", timeout=ANSWER_S).json()["lake"]
        print(f"\ningested meanwhile: {after['keyframes'] - held['keyframes']:,} keyframes")


def ready(url: str) -> None:
    """Waits for the model, and for the first search, which loads the columns."""
    while httpx.get(f"{url}/api/status", timeout=ANSWER_S).json()["model"]["state"] == "loading":
        time.sleep(0.2)
    httpx.post(f"{url}/api/search", json={"text": "a thing"}, timeout=ANSWER_S).raise_for_status()


def measured(url: str, *, clients: int, seconds: float) -> Load:
    load, lock = Load(), threading.Lock()
    began = time.perf_counter()

    def ask(number: int) -> None:
        rng = np.random.default_rng(number)
        with httpx.Client(base_url=url, timeout=ANSWER_S) as web:
            while time.perf_counter() - began < seconds:
                query = question(rng)
                start = time.perf_counter()
                status = web.post("/api/search", json=query).status_code
                with lock:
                    if status == 200:
                        load.ms.append((time.perf_counter() - start) * 1000)
                    else:
                        load.refused[status] += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    load.took_s = time.perf_counter() - began
    return load


def question(rng: np.random.Generator) -> dict[str, object]:
    """Words and a box somewhere, as somebody draws it."""
    (x, y), (width, height) = rng.uniform(0, 0.6, 2), rng.uniform(0.1, 0.4, 2)
    box = [round(float(side), 4) for side in (x, y, x + width, y + height)]
    return {"text": str(rng.choice(WORDS)), "box": box, "k": 200, "group": "visit"}


@contextmanager
def beside(lake: Path, folder: Path) -> Iterator[None]:
    """Ingests new clips into the lake during the block, in another process."""
    ended, failed, log = threading.Event(), list[str](), folder / "ingest.log"

    def run() -> None:
        for number in itertools.count(100):
            clip = make_clip(folder / f"{number}.mp4", seed=number, seconds=CLIP_S)
            command = [sys.executable, "-m", "deploy.cli.main", "ingest", str(clip), "--lake", str(lake)]
            with log.open("wb") as out:
                process = subprocess.Popen(command, stdout=out, stderr=out)
            while process.poll() is None and not ended.is_set():
                time.sleep(0.1)
            if process.poll() is None:
                process.terminate()
                process.wait()
            elif process.returncode:
                failed.append(log.read_text())
            if ended.is_set() or failed:
                return

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    assert not failed, f"an ingest failed: {failed[0]}"


if __name__ == "__main__":
    main()
