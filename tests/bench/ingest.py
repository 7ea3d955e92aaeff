"""Frames a second of the reader stage, compared with decoding alone and with PySceneDetect in the same run.

    python tests/bench/ingest.py CLIP... [--runs 5] [--long 20]

Each clip is read by these methods in turn, `--runs` times, each time in a process of its own:
    reader         SegmentReader: decode, shots, keyframes
    +background    the same, and the background of each keyframe (SegmentReader's default)
    decode         the same PyAV reader, frames not used
    detect         what scenedetect.detect() does with the same detector, OpenCV backend (its default)
    detect pyav    the same, PyAV backend

It prints medians of frames a second and of CPU time a frame, and the ratios of both. Other work on the
machine disturbs CPU time less; if every core is busy, both ratios agree. Then it prints the peak memory of
the reader for each clip once, and for the clip repeated `--long` / 4 and `--long` times.
"""

import argparse
import multiprocessing
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


def prepare_reader(path: str, *, background: bool) -> Callable[[], int]:
    """Imports and opens without timing, like the others; returns the timed function, which counts its frames."""
    from operators.motion.background import BackgroundConfig
    from operators.readers.probe import probe
    from pipeline.reading.keyframe_stream import ReadConfig
    from pipeline.reading.read_segment import SegmentReader
    from schemas.sources import Segment, SegmentReport

    source = probe(path, uri=path)
    reader = SegmentReader(ReadConfig(background=BackgroundConfig() if background else None))

    def run() -> int:
        items = reader(Segment(source, source.span, "bench"), path)
        return sum(item.frames_decoded for item in items if isinstance(item, SegmentReport))

    return run


def prepare_decode(path: str) -> Callable[[], int]:
    from operators.readers.probe import probe
    from operators.readers.video import VideoReader

    source = probe(path, uri=path)

    def run() -> int:
        with VideoReader(path, source) as reader:
            return sum(1 for _ in reader.frames(source.span.start))

    return run


def prepare_detect(path: str, *, backend: str) -> Callable[[], int]:
    from scenedetect import ContentDetector, SceneManager, open_video

    def run() -> int:
        manager = SceneManager()
        manager.add_detector(ContentDetector())
        return int(manager.detect_scenes(open_video(path, backend=backend)))

    return run


WAYS: dict[str, Callable[[str], Callable[[], int]]] = {
    "reader": lambda path: prepare_reader(path, background=False),
    "+background": lambda path: prepare_reader(path, background=True),
    "decode": prepare_decode,
    "detect": lambda path: prepare_detect(path, backend="opencv"),
    "detect pyav": lambda path: prepare_detect(path, backend="pyav"),
}


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one run in a fresh process."""

    frames_per_s: float
    cpu_ms: float  # a frame
    peak_mib: int


def _child(way: str, path: str, results: "multiprocessing.Queue[Cost]") -> None:
    run = WAYS[way](path)
    started, cpu = time.perf_counter(), time.process_time()
    frames = run()
    wall_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    results.put(Cost(frames / wall_s, cpu_s / frames * 1000, peak_mib))


def measure(way: str, path: str) -> Cost:
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[Cost] = context.Queue()
    child = context.Process(target=_child, args=(way, path, results))
    child.start()
    cost = results.get(timeout=600)
    child.join()
    return cost


def machine() -> str:
    import av
    import scenedetect

    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0))
    versions = f"PyAV {av.__version__}, scenedetect {scenedetect.__version__}"
    return f"{(models or [platform.machine()])[0]}, {cores} cores, load {os.getloadavg()[0]:.1f}; {versions}"


def repeat(path: str, times: int, folder: Path) -> str:
    """Writes the clip `times` times into one file by copying its packets."""
    target = folder / f"{times}{Path(path).suffix}"
    command = ["ffmpeg", "-v", "error", "-y", "-stream_loop", str(times - 1), "-i", path, "-c", "copy", "-an"]
    subprocess.run([*command, str(target)], check=True, stdin=subprocess.DEVNULL)
    return str(target)


def row(name: str, values: dict[str, float], *, faster: bool) -> str:
    """The values, then the ratios of reader and +background to decode, and of reader to the better detect."""
    best = max if faster else min
    detect = best(values["detect"], values["detect pyav"])
    pairs = [
        (values["reader"], values["decode"]),
        (values["+background"], values["decode"]),
        (values["reader"], detect),
    ]
    ratios = [a / b if faster else b / a for a, b in pairs]
    digits = 0 if faster else 2
    cells = "".join(f"{value:>13.{digits}f}" for value in values.values())
    return f"{name:<22}{cells}{ratios[0]:>16.2f}{ratios[1]:>20.2f}{ratios[2]:>15.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clips", nargs="+", metavar="CLIP")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--long", type=int, default=20, help="times over for the memory test; 0 leaves it out")
    options = parser.parse_args()
    print(machine())
    costs: dict[str, dict[str, list[Cost]]] = {}
    for clip in options.clips:
        costs[clip] = {way: [] for way in WAYS}
        for _ in range(options.runs):
            for way in WAYS:
                costs[clip][way].append(measure(way, clip))
    head = (
        "".join(f"{way:>13}" for way in WAYS) + f"{'reader/decode':>16}{'+background/decode':>20}{'reader/detect':>15}"
    )
    print(f"\nframes/s, medians of {options.runs} interleaved runs\n{'clip':<22}{head}")
    for clip, ways in costs.items():
        rates = {way: statistics.median(c.frames_per_s for c in runs) for way, runs in ways.items()}
        print(row(Path(clip).name[:21], rates, faster=True))
    print(f"\nCPU ms a frame; ratios turned over, so that more is better again\n{'clip':<22}{head}")
    for clip, ways in costs.items():
        cpu = {way: statistics.median(c.cpu_ms for c in runs) for way, runs in ways.items()}
        print(row(Path(clip).name[:21], cpu, faster=False))
    if options.long:
        some = max(1, options.long // 4)  # a short clip does not fill the windows: growth shows only afterwards
        print(f"\npeak memory, MiB, with background: once, {some} times over, {options.long} times over")
        with tempfile.TemporaryDirectory() as folder:
            for clip in options.clips:
                lengths = [clip, *(repeat(clip, n, Path(folder)) for n in (some, options.long))]
                peaks = [measure("+background", path).peak_mib for path in lengths]
                print(f"{Path(clip).name[:21]:<22}" + "".join(f"{peak:>6}" for peak in peaks), flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    os.environ["PYTHONPATH"] = str(ROOT)  # the children import the packages too
    main()
