"""An endurance test: many feeds at once, in real time, on this machine.

    python -m tests.live.soak --data DATA --feeds 16 --minutes 15 [--video both] [--engine ray] [--set KEY=VALUE]

GStreamer's RTSP server sends clips of DATA as feeds of 768×576 at 10 frames a second, which are ingested with the
default plan and the embedded model. It prints the frames sent by the clock and those received; what happened to them;
the time from a frame's moment until a search finds it, measured by the follower and by a searcher in this process; the
memory of the follower with its decoders (PSS: resident, each shared page counted once), their threads, open files and
processes, and the shared memory of the machine, by thirds of the time; and the files and bytes of the lake. What grows
from the first third to the last by more than a tenth is named, and the exit code is then 1.

--video yes keeps the feeds' video too (pipeline/ring), and prints what was kept and dropped of it; both runs without it
first, and then with it, for figures beside each other.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.lake.lake import Lake
from pipeline.live.status.follow_status import FollowStatus
from pipeline.live.status.search_latency import BUCKETS_S
from pipeline.search.searcher import Searcher
from schemas.errors import LakeError
from schemas.query import Query
from tests.live.cameras import film, rtsp_server
from tests.live.follower import FollowerProcess, validate_rows

_RATE = 10
_SAMPLE_S = 5.0


@dataclass(frozen=True, slots=True)
class Sample:
    """memory_bytes, threads, open_files: of the follower and its descendants, whose number is `processes`.

    shared_bytes: in /dev/shm, of the whole machine. newest_s: age of the newest keyframe that a search finds.
    """

    memory_bytes: int
    threads: int
    open_files: int
    processes: int
    shared_bytes: int
    lake_files: int
    lake_bytes: int
    newest_s: float | None


@dataclass(slots=True)
class Soak:
    """The measurements. cpu_s: of the follower and its descendants, while they were measured."""

    last: FollowStatus
    seconds: float
    cpu_s: float
    samples: list[Sample] = field(default_factory=list)

    def report(self, ledger: dict[str, int]) -> Iterator[str]:
        feeds = self.last.feeds
        received = sum(feed.received for feed in feeds)
        yield f"{len(feeds)} feeds, {self.seconds:.0f} s; restarts {sum(sum(f.restarts.values()) for f in feeds)}"
        yield (
            f"frames: {received:,} received ({received / max(1.0, self.seconds) / len(feeds):.2f} a second and feed), "
            f"{sum(f.kept for f in feeds):,} keyframes, {sum(f.not_selected for f in feeds):,} not selected, "
            f"{sum(f.shed for f in feeds):,} shed, {sum(sum(f.lost.values()) for f in feeds):,} lost, "
            f"{sum(f.damaged for f in feeds):,} damaged"
        )
        yield f"CPU: {self.cpu_s / max(1.0, self.seconds):.2f} cores"
        yield from self._video()
        kept = sorted(feed.kept for feed in feeds)
        yield f"keyframes a feed: least {kept[0]}, median {statistics.median(kept):g}, most {kept[-1]}"
        yield f"in the lake: {ledger['keyframes']:,} keyframes, {ledger['shed']:,} shed; sound"
        found = self.last.findable
        if found.timed:
            shares = zip(BUCKETS_S, found.within, strict=True)
            within = ", ".join(f"{within / found.timed:.1%} within {s:g} s" for s, within in shares if s >= 5)
            yield f"from frame to findable: mean {found.sum_s / found.timed:.1f} s, {within}"
        if found.p95_s is not None:
            yield f"of the last minute: p50 {found.p50_s:.1f} s, p95 {found.p95_s:.1f} s"
        ages = [sample.newest_s for sample in self.samples if sample.newest_s is not None]
        if ages:
            yield f"age of the newest keyframe found: p50 {np.median(ages):.1f} s, p95 {np.quantile(ages, 0.95):.1f} s"
        for name, (first, last) in self.held().items():
            yield f"{name}: {first:,.0f} in the first third, {last:,.0f} in the last ({last / max(first, 1):.2f})"
        files, size = max(s.lake_files for s in self.samples), self.samples[-1].lake_bytes / 2**20
        yield f"lake: at most {files:,} files, {self.samples[-1].lake_files:,} and {size:,.0f} MiB at the end"

    def _video(self) -> Iterator[str]:
        """What was kept of the feeds' video; nothing where none was to be."""
        video = {feed.name: feed.video for feed in self.last.feeds if feed.video is not None}
        if not video:
            return
        troubles = [f"{name}: {each.trouble}" for name, each in video.items() if each.trouble]
        fragments, dropped = (sum(getattr(each, of) for each in video.values()) for of in ("fragments", "dropped"))
        size = sum(each.bytes for each in video.values()) / 2**20
        kept = f"{len(video)} rings, {fragments:,} fragments, {size:,.0f} MiB"
        yield f"video: {kept}, {dropped:,} packets dropped; {'; '.join(troubles[:3]) or 'no trouble'}"

    def held(self) -> dict[str, tuple[float, float]]:
        """What the processes hold: medians of the first and of the last third of the time."""
        third = max(1, len(self.samples) // 3)

        def medians(of: Callable[[Sample], float]) -> tuple[float, float]:
            first, last = self.samples[:third], self.samples[-third:]
            return statistics.median(map(of, first)), statistics.median(map(of, last))

        return {
            "memory, MiB": medians(lambda sample: sample.memory_bytes / 2**20),
            "threads": medians(lambda sample: sample.threads),
            "open files": medians(lambda sample: sample.open_files),
            "processes": medians(lambda sample: sample.processes),
            "shared memory, MiB": medians(lambda sample: sample.shared_bytes / 2**20),
        }

    def growing(self) -> list[str]:
        """What grew by more than a tenth, and by more than single threads, files or MiB come and go."""
        return [name for name, (first, last) in self.held().items() if last > 1.1 * first + 8]


def soak(
    data: Path, *, feeds: int, minutes: float, engine: str = "local", settings: Sequence[str] = (), video: bool = False
) -> tuple[Soak, dict[str, int]]:
    """Runs the test; returns its measurements and the sums of the ledger. video: it is kept, too."""
    clips = [data / "pets09-s2l1" / "vtest.avi", data / "tud-stadtmitte" / "TUD-Stadtmitte.mp4"]
    clips.append(data / "street-clips" / "car-detection.mp4")
    with tempfile.TemporaryDirectory(prefix="soak-") as scratch:
        folder = Path(scratch)
        films = folder / "films"
        films.mkdir()
        for n, clip in enumerate(clips):
            # PETS lasts 80 s at this rate, and the others some seconds; the loops last for the whole time
            film(films / f"clip{n}.mp4", clip, loops=int(minutes * 60 / (60 if n == 0 else 3)) + 1, size="768:576")
        with rtsp_server(films) as server:
            listed = folder / "feeds.toml"
            tables = [f'[feeds.cam{n:02}]\nurl = "{server.url(f"clip{_clip_of(n)}")}"\n' for n in range(feeds)]
            listed.write_text("".join(tables))
            lake = folder / "lake"
            options = ["--feeds", str(listed), "--engine", engine, *(["--video-max-age", "7d"] if video else [])]
            follower = FollowerProcess(lake, options, settings=settings)
            seen = follower.wait(lambda s: all(f.state == "live" for f in s.feeds) and bool(s.feeds), most_s=300)
            already = {feed.name: feed.received for feed in seen.feeds}
            began, cpu_before_s = time.monotonic(), _cpu_s(follower)
            samples: list[Sample] = []
            searcher: Searcher | None = None
            while time.monotonic() - began < minutes * 60:
                time.sleep(_SAMPLE_S)
                newest = None
                try:
                    searcher = searcher or Searcher(Lake.open(str(lake)))
                    found = searcher.search(Query(box=(0.0, 0.0, 1.0, 1.0), k=20_000)).hits
                    times = [hit.time.timestamp() for hit in found if hit.time is not None]
                    newest = time.time() - max(times) if times else None
                except LakeError:  # the lake does not exist yet
                    pass
                samples.append(_sample(follower, lake, newest))
            last = follower.wait(lambda s: bool(s.feeds))
            seconds, cpu_s = time.monotonic() - began, _cpu_s(follower) - cpu_before_s
            print(f"of these, before all were live: {sum(already.values()):,} frames", flush=True)
            follower.end(most_s=300)
            return Soak(last, seconds, cpu_s, samples), validate_rows(lake)


def _clip_of(feed: int) -> int:
    """The clip of a camera. Most cameras never cut: three of four show PETS, from its beginning when opened."""
    return 0 if feed % 4 else 1 + feed // 4 % 2


def _sample(follower: FollowerProcess, lake: Path, newest_s: float | None) -> Sample:
    pids = [follower.process.pid, *follower.descendants("")]
    rings = lake / ".live" / "video"
    files = [path for path in lake.rglob("*") if path.is_file() and not path.is_relative_to(rings)]
    return Sample(
        memory_bytes=sum(map(_pss_bytes, pids)),
        threads=sum(_entries(pid, "task") for pid in pids),
        open_files=sum(_entries(pid, "fd") for pid in pids),
        processes=len(pids),
        shared_bytes=sum(_size(path) for path in Path("/dev/shm").rglob("*")),
        lake_files=len(files),
        lake_bytes=sum(_size(path) for path in files),
        newest_s=newest_s,
    )


def _cpu_s(follower: FollowerProcess) -> float:
    """CPU time of the follower and of its descendants, those that have ended included."""
    ticks = 0
    for pid in [follower.process.pid, *follower.descendants("")]:
        with suppress(OSError):  # the process has ended
            # after the name, which may hold spaces: utime, stime, cutime, cstime are fields 14 to 17 (proc(5))
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _entries(pid: int, folder: str) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/{folder}").iterdir()))
    except OSError:  # the process has ended
        return 0


def _pss_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets in tests/conftest.py")
    parser.add_argument("--feeds", type=int, default=16)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--engine", choices=["local", "ray"], default="local")
    parser.add_argument("--set", dest="settings", action="append", default=[], help="of the plan")
    parser.add_argument("--video", choices=["no", "yes", "both"], default="no", help="keep the feeds' video, too")
    args = parser.parse_args()
    growing: list[str] = []
    for video in {"no": [False], "yes": [True], "both": [False, True]}[args.video]:
        seen, ledger = soak(
            args.data, feeds=args.feeds, minutes=args.minutes, engine=args.engine, settings=args.settings, video=video
        )
        print(f"{'with' if video else 'without'} video")
        for line in seen.report(ledger):
            print(f"  {line}")
        growing += seen.growing()
    if growing:
        sys.exit(f"grew by more than a tenth: {', '.join(growing)}")


if __name__ == "__main__":
    main()
