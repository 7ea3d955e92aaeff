"""Frames a second of the reader stage, beside decoding alone and beside PySceneDetect, in the same run.

    python tests/bench/ingest.py CLIP... [--runs 5] [--config plain|background] [--long 20]

Each clip is read by, in turn and `--runs` times over, each in a process of its own:
    reader   SegmentReader with its defaults: decode, shots, keyframes, background of keyframes
    shots    the same without the background
    decode   the same PyAV reader, nothing looked at
    detect   scenedetect.detect() with the same detector, PyAV backend (opencv is slower here)
Printed are medians, and their ratios; then the peak memory of reading a clip once, and the clip
repeated `--long` times.
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
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_reader(path: str, *, background: bool) -> int:
    from operators.motion.background import BackgroundConfig
    from operators.readers.probe import probe
    from pipeline.read_segment import ReadConfig, SegmentReader
    from schemas.sources import Segment, SegmentReport

    source = probe(path, uri=path)
    config = ReadConfig(background=BackgroundConfig() if background else None)
    started = time.perf_counter()
    frames = 0
    for item in SegmentReader(config)(Segment(source, source.span, "bench"), path):
        if isinstance(item, SegmentReport):
            frames = item.frames_decoded
    return _told(frames, started)


def run_decode(path: str) -> int:
    from operators.readers.probe import probe
    from operators.readers.video import VideoReader

    source = probe(path, uri=path)
    started = time.perf_counter()
    with VideoReader(path, source) as reader:
        frames = sum(1 for _ in reader.frames(source.span.start))
    return _told(frames, started)


def run_detect(path: str, *, backend: str) -> int:
    from scenedetect import ContentDetector, SceneManager, open_video

    started = time.perf_counter()
    manager = SceneManager()  # what detect() does, with the backend named
    manager.add_detector(ContentDetector())
    frames = manager.detect_scenes(open_video(path, backend=backend))
    return _told(frames, started)


def _told(frames: int, started: float) -> int:
    """Frames a second, rounded."""
    return round(frames / (time.perf_counter() - started))


RUNS: dict[str, Callable[[str], int]] = {
    "reader": lambda path: run_reader(path, background=True),
    "shots": lambda path: run_reader(path, background=False),
    "decode": run_decode,
    "detect": lambda path: run_detect(path, backend="opencv"),
    "detect (pyav)": lambda path: run_detect(path, backend="pyav"),
}


def _child(name: str, path: str, results: "multiprocessing.Queue[tuple[int, int]]") -> None:
    rate = RUNS[name](path)
    results.put((rate, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024))


def measure(name: str, path: str) -> tuple[int, int]:
    """(frames a second, peak memory in MiB) of one run in a fresh process."""
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[tuple[int, int]] = context.Queue()
    child = context.Process(target=_child, args=(name, path, results))
    child.start()
    result = results.get()
    child.join()
    return result


def machine() -> str:
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    import av
    import scenedetect

    cores = len(os.sched_getaffinity(0))
    versions = f"PyAV {av.__version__}, scenedetect {scenedetect.__version__}"
    return f"{model}, {cores} cores, load {os.getloadavg()[0]:.1f}; {versions}"


def repeat(path: str, times: int, folder: Path) -> str:
    """The clip `times` over in one file, its packets copied."""
    target = folder / f"long{Path(path).suffix}"
    command = ["ffmpeg", "-v", "error", "-y", "-stream_loop", str(times - 1), "-i", path, "-c", "copy", "-an"]
    subprocess.run([*command, str(target)], check=True, stdin=subprocess.DEVNULL)
    return str(target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("clips", nargs="+", metavar="CLIP")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--long", type=int, default=20, help="how many times over for the memory test; 0 leaves it out")
    options = parser.parse_args()
    print(machine())
    print(f"frames/s, median of {options.runs} interleaved runs\n")
    head = f"{'clip':<24}" + "".join(f"{name:>15}" for name in RUNS)
    print(head + f"{'reader/decode':>15}{'shots/decode':>14}{'reader/detect':>15}")
    for clip in options.clips:
        rates: dict[str, list[int]] = {name: [] for name in RUNS}
        for _ in range(options.runs):
            for name in RUNS:
                rates[name].append(measure(name, clip)[0])
        median = {name: statistics.median(found) for name, found in rates.items()}
        row = f"{Path(clip).name[:23]:<24}" + "".join(f"{median[name]:>15.0f}" for name in RUNS)
        row += f"{median['reader'] / median['decode']:>15.2f}{median['shots'] / median['decode']:>14.2f}"
        print(row + f"{median['reader'] / max(median['detect'], median['detect (pyav)']):>15.2f}", flush=True)
    if options.long:
        print(f"\npeak memory of the reader, MiB: once, and {options.long} times over")
        with tempfile.TemporaryDirectory() as folder:
            for clip in options.clips:
                once = measure("reader", clip)[1]
                often = measure("reader", repeat(clip, options.long, Path(folder)))[1]
                print(f"{Path(clip).name[:23]:<24}{once:>8}{often:>8}{often / once:>8.2f}", flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    os.environ["PYTHONPATH"] = str(ROOT)  # the children import the packages too
    main()
