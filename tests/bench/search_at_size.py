"""Answers by the index beside exact ones, over a large lake on disk, by size of the box.

    python -m tests.bench.search_at_size LAKE [--regions 1000000] [--rounds 5] [--lancedb] [--made FOLDER]

LAKE is a lake of real recordings: the large one is made of its regions, each a region of LAKE whose vector is moved
by a length of 0.3 and whose box is moved by a tenth of the frame, in keyframes with 64 regions. The lake is tuned first
(`regionlake upkeep --tune`), and then asked for ten hits by texts that tuning does not use, and by their vectors with
boxes of other places, so that nothing is measured with what was chosen by it. Every query is answered exactly and by
the index in turn. Times are medians and 99th percentiles over the queries of medians of rounds; memory is that of the
process, anonymous and of mapped files. `--lancedb` adds LanceDB's flat scan with prefilter and its IVF_RQ index, in the
same rounds; both find vectors only, without geometry.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.lake.lake import Lake
from pipeline.lake.lake_encoder import load_lake_encoder
from pipeline.lake.writing.committer import Committer
from pipeline.search.index.tuning import Tuned, recall_of, tune
from pipeline.search.memory.lake_cache import LakeCache
from pipeline.search.searcher import Searcher
from schemas.query import BoxTuple, Query
from schemas.vectors import VectorArray, normalise
from tests.bench.machine import processor
from tests.bench.search import FRAMES_A_SEGMENT, REGIONS_A_FRAME, segment_rows, source
from tests.pipeline.lake.synthetic import fold_shots, stored

TEXTS = (
    *("a bus", "a bird", "a man with an umbrella", "a pizza", "a chair", "a blue shirt", "a clock", "a horse"),
    *("two people talking", "a motorcycle", "a building", "a bottle"),
)
AREAS = {"anywhere": None, "1 %": 0.01, "5 %": 0.05, "25 %": 0.25, "100 %": 1.0}
_MOVED, _MOVED_BOX = 0.3, 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lake", type=Path)
    parser.add_argument("--regions", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lancedb", action="store_true")
    parser.add_argument("--made", type=Path, help="the large lake, made if it is not there, and left")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = options.made or Path(folder) / "lake"
        if not made.exists():
            make_large(Lake.open(str(options.lake)), str(made), regions=options.regions)
        bench(Lake.open(str(made)), rounds=options.rounds, with_lancedb=options.lancedb)


def make_large(real: Lake, uri: str, *, regions: int) -> None:
    """Makes a lake of regions of another, each moved a little."""
    columns = LakeCache(real, resident="float16")
    columns.refresh()
    alive = np.flatnonzero(columns.region_alive)
    vectors = np.asarray(columns.region_vectors)[alive].astype(np.float32)
    boxes = np.stack([side[alive] for side in columns.boxes], axis=1)
    large = Lake.create_or_open(uri, real.space)
    frames = regions // REGIONS_A_FRAME
    with Committer(large, plan=stored(), fold_shots=fold_shots) as committer:
        for number, first in enumerate(range(0, frames, FRAMES_A_SEGMENT)):
            rng = np.random.default_rng(number)
            count = min(FRAMES_A_SEGMENT, frames - first)
            some = rng.integers(0, len(alive), count * REGIONS_A_FRAME)

            def draw(n: int, some: NDArray[np.int64] = some, rng: np.random.Generator = rng) -> VectorArray:
                base = vectors[some[:n]]
                noise = rng.standard_normal(base.shape, np.float32)
                return normalise(base + noise * np.float32(_MOVED / base.shape[1] ** 0.5))

            shift = rng.uniform(-_MOVED_BOX, _MOVED_BOX, size=(len(some), 2)).astype(np.float32)
            moved = np.clip(boxes[some] + np.tile(shift, 2), 0, 1)
            made = source(number, frames=count)
            rows = segment_rows(made, real.space, seed=number, draw=draw, boxes=moved)
            committer.register(made)
            committer.commit([rows])


def bench(lake: Lake, *, rounds: int, with_lancedb: bool) -> None:
    encoder = load_lake_encoder(lake)
    print(f"machine: {processor()}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}")
    tuned = tune(lake, encoder, on_step=lambda step: print(f"  {time.strftime('%X')} {step}", flush=True))
    _print_tuned(lake, tuned)
    exact = Searcher(lake, encoder, resident="disk", exact_within_ms=np.inf)
    index = Searcher(lake, encoder, resident="disk", exact_within_ms=0.0)
    start = time.perf_counter()
    index.search(Query(text="a thing"))
    print(f"first answer by the index, the model loaded: {time.perf_counter() - start:.1f} s\n")
    others = _lancedb(lake, encoder.encode_texts) if with_lancedb else {}
    columns = ["exact p50", "index p50", "p99", "recall@10", "recall@100", *(f"{name} p50" for name in others)]
    print(f"{'box':10}" + "".join(f"{name:>16}" for name in columns))
    rng = np.random.default_rng(5)
    for name, area in AREAS.items():
        taken: dict[str, list[float]] = {each: [] for each in ("exact", "index", *others)}
        recalls: dict[int, list[float]] = {10: [], 100: []}
        for text in TEXTS:
            box = None if area is None else _drawn(rng, area)
            run: dict[str, Callable[[], object]] = {
                "exact": lambda text=text, box=box: exact.search(Query(text=text, box=box)),
                "index": lambda text=text, box=box: index.search(Query(text=text, box=box)),
            } | {other: lambda ask=ask, text=text, box=box: ask(text, box) for other, ask in others.items()}
            for each, call in run.items():
                taken[each].append(statistics.median(_timed(call) for _ in range(rounds)))
            for k, found in recalls.items():
                query = Query(text=text, box=box, k=k)
                found.append(recall_of(index.search(query), exact.search(query), k=k))
        numbers = [
            f"{statistics.median(taken['exact']):.0f} ms",
            f"{statistics.median(taken['index']):.0f} ms",
            f"{np.percentile(taken['index'], 99):.0f} ms",
            *(f"{statistics.fmean(found):.3f}" for found in recalls.values()),
            *(f"{statistics.median(taken[other]):.0f} ms" for other in others),
        ]
        print(f"{name:10}" + "".join(f"{number:>16}" for number in numbers), flush=True)
    own, mapped = (_status(key) for key in ("RssAnon", "RssFile"))
    print(f"\nmemory of this process, with the model: {own:,} MiB of its own, {mapped:,} MiB of mapped files")


def _print_tuned(lake: Lake, tuned: Tuned) -> None:
    print(f"lake: {lake.count('regions'):,} regions of {lake.count('frames'):,} frames, {lake.space.dimension}-d")
    print(f"index: built in {tuned.build_s:.0f} s, measured in {tuned.measure_s:.0f} s, {tuned.bytes / 2**20:,.0f} MiB")
    print(f"an exact answer: {tuned.tuning.exact_ns:.0f} ns a candidate")
    for point in tuned.tuning.curve:
        where = f"box of {point.area:.0%}" if point.area else "anywhere"
        print(
            f"  {where:12} {point.share:8.2%} recall@10 {point.recall_10:.3f} @100 {point.recall_100:.3f} "
            f"{point.took_ms:6.0f} ms"
        )


def _drawn(rng: np.random.Generator, area: float) -> BoxTuple:
    side = area**0.5
    x, y = rng.uniform(0, 1 - side, 2)
    return float(x), float(y), float(min(1, x + side)), float(min(1, y + side))


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


def _lancedb(
    lake: Lake, encode: Callable[[list[str]], VectorArray]
) -> dict[str, Callable[[str, BoxTuple | None], object]]:
    """LanceDB's flat scan, and its IVF_RQ index, over a table of its own, so that the lake stays as it is."""
    import lancedb

    folder = tempfile.mkdtemp()
    found: dict[str, Callable[[str, BoxTuple | None], object]] = {}
    rows = lake.dataset("regions").to_table(columns=["id", "x0", "y0", "x1", "y1", "vector"])
    for kind in ("flat", "IVF_RQ"):
        table = lancedb.connect(folder).create_table(kind, rows)
        if kind == "IVF_RQ":
            from lancedb.index import IvfRq

            start = time.perf_counter()
            table.create_index("vector", config=IvfRq(distance_type="cosine"))
            print(f"LanceDB's IVF_RQ was built in {time.perf_counter() - start:.0f} s")

        def ask(text: str, box: BoxTuple | None, table: lancedb.table.Table = table, kind: str = kind) -> object:
            vector = encode([text])[0].astype(np.float16)
            found = table.search(vector, vector_column_name="vector")
            assert isinstance(found, lancedb.query.LanceVectorQueryBuilder)
            search = found.distance_type("cosine").select(["id"]).limit(100)
            if kind == "IVF_RQ":
                search = search.nprobes(20).refine_factor(4)
            if box is not None:
                where = f"x0 < {box[2]} AND x1 > {box[0]} AND y0 < {box[3]} AND y1 > {box[1]}"
                search = search.where(where, prefilter=True)
            return search.to_arrow()

        found[kind] = ask
    return found


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(f"{key}:"))


if __name__ == "__main__":
    main()
