"""Commits and searches of a lake that grows by small segments, with and without upkeep, in the same run.

    python -m tests.bench.upkeep [--commits 500] [--keyframes 4] [--regions 24] [--dimension 512]

Both lakes get the same commits alternately, one each; after every fifth, each is searched by text and box by a searcher
that follows it. One lake has upkeep every second in a thread of its committer, with old versions kept for two seconds;
the committer of the other joins nothing. Meanwhile recordings end and new ones begin; upkeep measures them and removes
none, so that all lakes are equal. The last row is a lake whose committer joins fragments itself, between commits.
"""

import argparse
import os
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.lake.upkeep.config import UpkeepConfig
from pipeline.lake.upkeep.upkeep import Upkeep
from pipeline.lake.writing.committer import Committer
from pipeline.search.searcher import Searcher
from schemas.clock import Clock, Span
from schemas.ids import digest, segment_id
from schemas.query import Query
from schemas.sources import Segment, SegmentReport, Source, recording_uri
from schemas.tables import TABLE_NAMES
from schemas.vectors import VectorSpace
from tests.pipeline.lake.synthetic import PLAN, World, fold_shots, stored
from tests.pipeline.search.drawn import DrawnEncoder

RECORDING = 50  # commits
FEEDS = 2
EVERY = 5  # commits a search
BEGAN = datetime(2026, 5, 1, tzinfo=UTC)


@dataclass(slots=True)
class Contender:
    name: str
    lake: Lake
    committer: Committer
    searcher: Searcher
    commits: list[float] = field(default_factory=list)
    searches: list[float] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commits", type=int, default=500)
    parser.add_argument("--keyframes", type=int, default=4, help="of a commit")
    parser.add_argument("--regions", type=int, default=24, help="of a keyframe")
    parser.add_argument("--dimension", type=int, default=512)
    options = parser.parse_args()
    space = VectorSpace("synthetic", "1", options.dimension, "none")
    with tempfile.TemporaryDirectory() as folder:
        names = ("without upkeep", "upkeep", "by the committer")
        without, kept_up, _ = contenders = [contender(name, Path(folder) / name, space) for name in names]
        without.committer.joins_fragments = False
        limit = UpkeepConfig(
            every_s=1.0,
            keep_versions=timedelta(seconds=2),
            join_after_s=2.0,
            max_bytes_per_feed=10**12,  # more than the lake will have
        )
        upkeep = Upkeep(kept_up.committer, limit)
        upkeep.start()
        run(contenders, commits=options.commits, keyframes=options.keyframes, regions=options.regions)
        upkeep.close()
        report(contenders, options.commits)
        report_upkeep(upkeep, kept_up.lake)
        for each in contenders:
            finish(each)


def contender(name: str, path: Path, space: VectorSpace) -> Contender:
    lake = Lake.create_or_open(str(path), space)
    committer = Committer(lake, plan=stored(), fold_shots=fold_shots)
    return Contender(name, lake, committer, Searcher(Lake.open(str(path)), DrawnEncoder(space)))


def run(contenders: list[Contender], *, commits: int, keyframes: int, regions: int) -> None:
    query = Query(text="somebody", box=(0.2, 0.2, 0.8, 0.8))
    drawn = World(0, length=keyframes, step=1, regions=regions, space=contenders[0].lake.space)
    template = drawn.rows(drawn.segments()[0])
    for number in range(commits):
        rows, ended = segment_rows(template, number, keyframes)
        for each in contenders:
            start = time.perf_counter()
            each.committer.commit([rows])
            each.commits.append(time.perf_counter() - start)
            if ended is not None:
                each.committer.end(ended)
            if number % EVERY == 0:
                start = time.perf_counter()
                each.searcher.search(query)
                each.searches.append(time.perf_counter() - start)
        if commits >= 10 and number % (commits // 10) == 0:
            print(f"{number} of {commits} commits", flush=True)


def segment_rows(template: SegmentRows, number: int, keyframes: int) -> tuple[SegmentRows, Source | None]:
    """The rows of the template as another second of a feed, and the recording's source if it ends with them."""
    feed, turn = number % FEEDS, number // FEEDS
    recording, place = divmod(turn, RECORDING)
    source = recording_of(feed, recording, length=(place + 1) * keyframes)
    announced = recording_of(feed, recording, length=10 * RECORDING * keyframes)
    span = Span(place * keyframes, (place + 1) * keyframes)
    tables = []
    for table in (template.frames, template.regions):
        old = table.to_pylist()
        for row in old:
            row["pts"] += span.start
            row |= {"source_id": source.id, "source": source.uri, "pts_s": float(row["pts"])}
            row["time"] = source.clock.utc(row["pts"])
            for key in ("id", "frame"):
                if key in row:
                    row[key] = digest(row[key], number)
            if "thumbnail" in row:
                row["thumbnail"] = os.urandom(12_000)  # as large as a JPEG of 384 px
        tables.append(type(table).from_pylist(old, schema=table.schema))
    report = SegmentReport(keyframes, 0, span.start, span.stop - 1, ())
    segment = Segment(announced, span, segment_id(source.id, PLAN, span))
    rows = SegmentRows(segment=segment, plan=PLAN, report=report, frames=tables[0], regions=tables[1], patches=None)
    return rows, source if place == RECORDING - 1 else None


def recording_of(feed: int, recording: int, *, length: int) -> Source:
    began = BEGAN + timedelta(minutes=10 * recording)
    return Source(
        uri=recording_uri(f"feed{feed}", began),
        id=digest("bench", feed, recording),
        kind="feed",
        clock=Clock(Fraction(1), began),
        span=Span(0, length),
        width_px=640,
        height_px=480,
        sync_pts=(0,),
        frame_rate=1.0,
        codec="none",
    )


def report(contenders: list[Contender], commits: int) -> None:
    print(f"machine: {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}; {commits} commits each")
    print(f"{'':18} {'search ms':>22} {'last fifth':>22} {'commit ms':>22}  fragments  files      MB")
    print(f"{'':18} {'median':>11}{'p95':>11} {'median':>11}{'p95':>11} {'median':>11}{'p95':>11}")
    for each in contenders:
        line(each)


def report_upkeep(upkeep: Upkeep, lake: Lake) -> None:
    before, last = files(lake), upkeep.run_pass()
    time.sleep(upkeep.config.keep_versions.total_seconds())
    upkeep.run_pass()
    after = files(lake)
    status = upkeep.status()
    print(f"upkeep: {status.passes} passes, {status.failed_passes} failed, {last.seconds:.2f} s the last one")
    print(f"{before[0]:,} files of {before[1] / 1e6:.0f} MB; when all is quiet {after[0]:,} of {after[1] / 1e6:.0f} MB")


def finish(each: Contender) -> None:
    each.searcher.close()
    each.committer.joins_fragments = False  # closing would join fragments, which is not measured
    each.committer.close()
    verdict = "; ".join(check(each.lake).problems) or "sound"
    print(f"{each.name}: {verdict}, {each.lake.count('segments'):,} rows in the ledger")


def line(each: Contender) -> None:
    searches, commits = np.array(each.searches) * 1e3, np.array(each.commits) * 1e3
    late = searches[-max(1, len(searches) // 5) :]
    shown = [f"{np.median(t):11.1f}{np.percentile(t, 95):11.1f}" for t in (searches, late, commits)]
    fragments = sum(len(each.lake.table(name).to_lance().get_fragments()) for name in TABLE_NAMES)
    count, size = files(each.lake)
    print(f"{each.name:18} {' '.join(shown)}  {fragments:9,}  {count:5,}  {size / 1e6:6.1f}")


def files(lake: Lake) -> tuple[int, int]:
    assert lake.folder is not None
    sizes = []
    for path in lake.folder.rglob("*"):
        try:
            sizes += [path.stat().st_size] if path.is_file() else []
        except FileNotFoundError:
            continue
    return len(sizes), sum(sizes)


if __name__ == "__main__":
    main()
