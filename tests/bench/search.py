"""Latency of search, compared with LanceDB's flat scan with prefilter over the same synthetic lake in the same run.

    python -m tests.bench.search [--regions 500000] [--dimension 512] [--rounds 9]

LanceDB finds the nearest region vectors, with the box as a prefilter, without geometry or frames. The searcher
ranks everything that overlaps the box by meaning and geometry, and finds each frame's best box and its shot. A process
loads the lake once. Medians of rounds, in which both take turns, so that a busy machine is busy for both; CPU time is
that of all threads.
"""

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction

import lancedb
import numpy as np
import pyarrow as pa

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.search.searcher import Searcher
from schemas.boxes import FloatArray
from schemas.clock import Clock, Span
from schemas.ids import digest, frame_id, segment_id
from schemas.query import Query
from schemas.sources import Segment, SegmentReport, Source
from schemas.tables import frames_schema, regions_schema
from schemas.vectors import VectorArray, VectorSpace, normalise
from tests.bench.machine import processor
from tests.pipeline.lake.synthetic import PLAN, fold_shots, stored
from tests.pipeline.search.drawn import DrawnEncoder

REGIONS_A_FRAME = 64
FRAMES_A_SEGMENT = 500
# (x0, y0, x1, y1): a small box, and one that most regions overlap
BOXES = {"small box": (0.1, 0.1, 0.16, 0.2), "large box": (0.2, 0.2, 0.8, 0.8)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regions", type=int, default=500_000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    space = VectorSpace("synthetic", "1", options.dimension, "none")
    with tempfile.TemporaryDirectory() as folder:
        lake = make_lake(folder, space, frames=options.regions // REGIONS_A_FRAME)
        bench(lake, rounds=options.rounds)


def bench(lake: Lake, *, rounds: int) -> None:
    encoder = DrawnEncoder(lake.space)
    searcher = Searcher(lake, encoder)
    before_mib = _memory_mib()
    start = time.perf_counter()
    searcher.refresh()
    load_s = time.perf_counter() - start
    regions = lake.count("regions")
    print(f"machine: {processor()}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}")
    print(f"lake: {regions:,} regions of {lake.count('frames'):,} frames, {lake.space.dimension}-d float16")
    print(f"load into memory: {load_s:.1f} s, {_memory_mib() - before_mib:,.0f} MiB more at the peak\n")
    print(f"{'query':28} {'searcher':>10} {'CPU':>7} {'LanceDB':>10} {'CPU':>7} {'ratio':>6}  candidates (times in ms)")
    table = lancedb.connect(lake.uri).open_table("regions")
    vector = encoder.encode_texts(["somebody"])[0].astype(np.float16)
    cases: list[tuple[str, Query, str | None]] = [("text", Query(text="somebody"), None)]
    for name, box in BOXES.items():
        where = f"x0 < {box[2]} AND x1 > {box[0]} AND y0 < {box[3]} AND y1 > {box[1]}"
        for how in ("raw", "zscore", "rrf"):
            query = Query(text="somebody", box=box, norm=how)  # type: ignore[arg-type]
            cases.append((f"text + {name}, {how}", query, where))
    for name, query, where in cases:

        def flat(where: str | None = where) -> None:
            search = (
                table.search(vector, vector_column_name="vector")
                .distance_type("dot")
                .select(["id", "frame", "_distance"])
                .limit(100)
            )
            (search.where(where, prefilter=True) if where else search).to_arrow()

        ours, theirs = _medians([lambda query=query: searcher.search(query), flat], rounds=rounds)  # type: ignore[misc]
        count = searcher.search(query).candidates
        ratio = theirs[0] / ours[0]
        print(f"{name:28} {_ms(ours)} {_ms(theirs)} {ratio:5.1f}x  {count:,}")
    for name, box in BOXES.items():
        query = Query(box=box)
        (ours,) = _medians([lambda query=query: searcher.search(query)], rounds=rounds)  # type: ignore[misc]
        print(f"{name + ' alone':28} {_ms(ours)} {'–':>10} {'–':>7} {'–':>6}  {searcher.search(query).candidates:,}")
    _bench_refresh(lake, searcher)


def _bench_refresh(lake: Lake, searcher: Searcher) -> None:
    """The cost of a search after one more segment was committed."""
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as committer:
        commits, refreshes = [], []
        for number in range(5):
            rows = segment_rows(source(1000 + number, frames=8), lake.space, seed=1000 + number)
            committer.register(rows.segment.source)
            start = time.perf_counter()
            committer.commit([rows])
            commits.append(time.perf_counter() - start)
            start = time.perf_counter()
            assert searcher.refresh()
            refreshes.append(time.perf_counter() - start)
    print(f"\ncommit of 8 frames with {8 * REGIONS_A_FRAME} regions: {statistics.median(commits) * 1e3:.0f} ms")
    print(f"refresh after it: {statistics.median(refreshes) * 1e3:.0f} ms (the first makes room: {refreshes[0]:.2f} s)")


def _medians(runs: list[Callable[[], object]], *, rounds: int) -> list[tuple[float, float]]:
    """Wall and CPU seconds of each, in turn; the first round is not counted."""
    times: list[list[tuple[float, float]]] = [[] for _ in runs]
    for _ in range(rounds + 1):
        for run, taken in zip(runs, times, strict=True):
            start, cpu = time.perf_counter(), time.process_time()
            run()
            taken.append((time.perf_counter() - start, time.process_time() - cpu))
    return [(statistics.median(w for w, _ in taken[1:]), statistics.median(c for _, c in taken[1:])) for taken in times]


def _ms(times: tuple[float, float]) -> str:
    return f"{times[0] * 1e3:10.1f} {times[1] * 1e3:7.0f}"


def make_lake(uri: str, space: VectorSpace, *, frames: int) -> Lake:
    lake = Lake.create_or_open(uri, space)
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as committer:
        for number, first in enumerate(range(0, frames, FRAMES_A_SEGMENT)):
            rows = segment_rows(source(number, frames=min(FRAMES_A_SEGMENT, frames - first)), space, seed=number)
            committer.register(rows.segment.source)
            committer.commit([rows])
    return lake


def source(number: int, *, frames: int) -> Source:
    return Source(
        uri=f"/videos/{number}.mp4",
        id=digest("bench", number),
        kind="video",
        clock=Clock(Fraction(1)),
        span=Span(0, frames),
        width_px=640,
        height_px=480,
        sync_pts=(0,),
        frame_rate=1.0,
        codec="none",
    )


def segment_rows(
    source: Source,
    space: VectorSpace,
    *,
    seed: int,
    draw: Callable[[int], VectorArray] | None = None,
    boxes: FloatArray | None = None,
) -> SegmentRows:
    """The rows of a source as one segment: a keyframe at each tick, with random boxes and vectors.

    draw: makes so many vectors instead, float32 (N, D). boxes: float32 (frames · REGIONS_A_FRAME, 4) instead.
    """
    rng = np.random.default_rng(seed)
    frames = source.span.stop
    regions = frames * REGIONS_A_FRAME
    ids = [frame_id(source.id, pts) for pts in range(frames)]
    centre, half = rng.uniform(size=(regions, 2)), rng.uniform(0.02, 0.15, size=(regions, 2))
    low, high = np.clip(centre - half, 0, 1).astype(np.float32), np.clip(centre + half, 0, 1).astype(np.float32)
    if boxes is not None:
        low, high = boxes[:, :2], boxes[:, 2:]

    def columns(each: int) -> dict[str, object]:
        pts = np.repeat(np.arange(frames), each)
        return {
            "source_id": [source.id] * len(pts),
            "source": [source.uri] * len(pts),
            "pts": pts,
            "pts_s": pts.astype(np.float64),
            "vector": _vectors(rng, len(pts), space) if draw is None else _stored(draw(len(pts)), space),
        }

    frame_columns = columns(1) | {
        "id": ids,
        "width_px": np.full(frames, 640, np.int32),
        "height_px": np.full(frames, 480, np.int32),
        "reason": ["interval"] * frames,
        "thumbnail": [b""] * frames,
    }
    region_columns = columns(REGIONS_A_FRAME) | {
        "id": [digest(source.id, n) for n in range(regions)],
        "frame": [i for i in ids for _ in range(REGIONS_A_FRAME)],
        "x0": low[:, 0],
        "y0": low[:, 1],
        "x1": high[:, 0],
        "y1": high[:, 1],
        "area": (high - low).prod(axis=1),
        "proposer": ["moving"] * regions,
        "score": np.ones(regions, np.float32),
    }
    return SegmentRows(
        segment=Segment(source, source.span, segment_id(source.id, PLAN, source.span)),
        plan=PLAN,
        report=SegmentReport(frames, 0, 0, frames - 1, ()),
        frames=_filled(frame_columns, frames_schema(space)),
        regions=_filled(region_columns, regions_schema(space)),
        patches=None,
    )


def _filled(columns: dict[str, object], schema: pa.Schema) -> pa.Table:
    """A table of the schema, with nulls in columns that are not given."""
    count = len(columns["id"])  # type: ignore[arg-type]
    unknown = {field.name: pa.nulls(count, field.type) for field in schema if field.name not in columns}
    return pa.table(columns | unknown, schema=schema)


def _vectors(rng: np.random.Generator, count: int, space: VectorSpace) -> pa.FixedSizeListArray:
    return _stored(normalise(rng.standard_normal((count, space.dimension), np.float32)), space)


def _stored(vectors: VectorArray, space: VectorSpace) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.astype(np.float16).reshape(-1)), space.dimension)


def _memory_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
