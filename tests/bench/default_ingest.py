"""How fast the default plan ingests, in one process and on Ray, beside other plans in the same run.

    python -m tests.bench.default_ingest NAME... [--minutes 20] [--plan FILE]... [--engine local]... [--rounds 1]

Each NAME is a video, or a folder of pictures. A video is repeated until it is `--minutes` long (0: once). Every plan
ingests it into a new lake, `--rounds` times, alternately, in processes of their own. The table has medians: seconds of
video, or pictures, per second, without the start of the process; CPU time of a keyframe, in one process and its reader;
and what the lake holds of a keyframe: regions, bytes of vectors, and bytes on disk. At the end of each row are the
seconds of each stage.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import av

from pipeline.lake.lake import Lake
from tests.bench.machine import processor

REGIONLAKE = [sys.executable, "-m", "deploy.cli.main"]
BYTES = 2  # of a float16


@dataclass(frozen=True)
class Run:
    """One ingest. amount: seconds of video, or pictures. disk: bytes of the lake."""

    report: dict[str, Any]
    amount: float
    cpu_s: float
    disk: int
    dimension: int

    @property
    def per_s(self) -> float:
        return self.amount / float(self.report["elapsed_s"])

    @property
    def of_a_keyframe(self) -> tuple[float, float, float, float]:
        """CPU ms, regions, bytes of vectors, bytes on disk."""
        keyframes, regions = self.report["keyframes"], self.report["regions"]
        vectors = (regions + keyframes) * self.dimension * BYTES
        return 1000 * self.cpu_s / keyframes, regions / keyframes, vectors / keyframes, self.disk / keyframes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", type=Path)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--plan", action="append", type=Path, default=[], help="TOML file of a plan beside the default")
    parser.add_argument("--engine", action="append", choices=["local", "ray"], help="default: both")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    print(f"{processor()}, {os.cpu_count()} cores, medians of {options.rounds}")
    columns = [f"{name:>8}" for name in ("a second", "CPU ms", "regions", "vectors", "disk")]
    print(f"{'source':20} {'plan':16} {'engine':6}", *columns)
    with tempfile.TemporaryDirectory() as folder:
        for name in options.names:
            source, amount = _prepared(name, Path(folder), minutes=options.minutes)
            cases = [(plan, engine) for engine in options.engine or ["local", "ray"] for plan in (None, *options.plan)]
            runs: dict[tuple[Path | None, str], list[Run]] = {case: [] for case in cases}
            for _ in range(options.rounds):
                for plan, engine in cases:
                    runs[plan, engine].append(_ingested(source, amount, Path(folder) / "lake", plan, engine))
            for (plan, engine), made in runs.items():
                _show(name.stem, "default" if plan is None else plan.stem, engine, made)


def _prepared(name: Path, folder: Path, *, minutes: float) -> tuple[Path, float]:
    """The source, and its length in seconds or its number of pictures."""
    if name.is_dir():
        return name, sum(1 for path in name.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    once = _seconds(name)
    times = max(1, round(minutes * 60 / once))
    if times == 1:
        return name, once
    long = folder / f"{name.stem}.mkv"
    command = ["ffmpeg", "-v", "error", "-stream_loop", str(times - 1), "-i", str(name), "-c", "copy", "-an", str(long)]
    subprocess.run(command, check=True)
    return long, _seconds(long)


def _seconds(path: Path) -> float:
    with av.open(str(path)) as container:
        assert container.duration is not None
        return container.duration / av.time_base


def _ingested(source: Path, amount: float, lake: Path, plan: Path | None, engine: str) -> Run:
    shutil.rmtree(lake, ignore_errors=True)
    chosen = [] if plan is None else ["--plan", str(plan)]
    before_s = _cpu_s()
    command = [*REGIONLAKE, "ingest", str(source), "--lake", str(lake), "--engine", engine, "--json", *chosen]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    cpu_s = _cpu_s() - before_s
    disk = sum(path.stat().st_size for path in lake.rglob("*") if path.is_file())
    return Run(json.loads(done.stdout), amount, cpu_s, disk, Lake.open(str(lake)).space.dimension)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _show(source: str, plan: str, engine: str, runs: list[Run]) -> None:
    cpu_ms, regions, vectors, disk = (median(each) for each in zip(*(run.of_a_keyframe for run in runs), strict=True))
    per_s = median(run.per_s for run in runs)
    cpu = f"{cpu_ms:8.1f}" if engine == "local" else f"{'–':>8}"  # Ray's processes are no children of ours
    row = f"{source:20} {plan:16} {engine:6} {per_s:8.2f} {cpu} {regions:8.1f} {vectors:8.0f} {disk:8.0f}"
    stages = ", ".join(f"{name} {seconds:.1f}" for name, seconds in runs[0].report["seconds"].items())
    print(f"{row}   {runs[0].report['keyframes']} keyframes in {runs[0].report['elapsed_s']:.1f} s: {stages}")


if __name__ == "__main__":
    main()
