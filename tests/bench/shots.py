"""Precision, recall and speed of the shot detectors, on transitions that are known frame by frame.

    python -m tests.bench.shots DATA [--rounds 5]

Two videos, read with each detector at its defaults:
    testvideo   DATA/shot-clips/testvideo.mp4. It shows still pictures, so its transitions are the frames that
                    differ from the one before (by 1 of 255 or more).
    montage     40 parts of five real clips of DATA, in random order, joined by hard cuts, dissolves and fades
                    through black in the ratio 2 : 1 : 1. The clips themselves contain no cut.

A transition is found by a cut in it, or at most two frames from it; further cuts in it, and cuts elsewhere, are
false. Speed is that of the reader stage without background on testvideo, in frames a second and in CPU time a frame
(which other work on the machine disturbs less): medians of the rounds, each of which runs all detectors in turn, and
medians of the ratios to "content" in the same round; higher is better.
"""

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from operators.readers.probe import probe
from operators.shots.catalogue import SHOT_DETECTORS
from operators.shots.config import ShotConfig
from operators.shots.cuts import fold_shots
from pipeline.reading.keyframe_stream import ReadConfig
from pipeline.reading.read_segment import SegmentReader
from schemas.sources import Segment, SegmentReport

TOLERANCE_FRAMES = 2
# first and last frame that differs from the one before; 180 is a hard cut
TESTVIDEO = [(30, 30), (180, 180), (211, 240), (331, 360), (394, 423), (529, 558), (664, 693)]
CLIPS = (
    "handheld-clips/01_dog.mp4",
    "handheld-clips/02_cups.mp4",
    "street-clips/car-detection.mp4",
    "tud-stadtmitte/TUD-Stadtmitte.mp4",
    "pets09-s2l1/vtest.avi",
)
WIDTH_PX, HEIGHT_PX, RATE = 480, 270, 25
PIECES = 40
Picture = NDArray[np.uint8]
Transition = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Cost:
    frames_per_s: float
    cpu_ms: float  # a frame


@dataclass(frozen=True, slots=True)
class Score:
    """found: transitions with a cut. false: cuts without a transition."""

    transitions: int
    found: int
    false: int

    def __str__(self) -> str:
        precision = self.found / max(1, self.found + self.false)
        recall = self.found / self.transitions
        f1 = 2 * self.found / (2 * self.found + self.false + self.transitions - self.found)
        return f"{precision:>10.3f}{recall:>8.3f}{f1:>7.3f}"


def score(truth: Sequence[Transition], cuts: Sequence[int]) -> Score:
    """cuts: the first frames of all shots but the first."""
    left = list(truth)
    found = 0
    for cut in cuts:
        hit = next((t for t in left if t[0] - TOLERANCE_FRAMES <= cut <= t[1] + TOLERANCE_FRAMES), None)
        if hit is not None:
            left.remove(hit)
            found += 1
    return Score(len(truth), found, len(cuts) - found)


def read(path: Path, detector: str) -> tuple[list[int], Cost]:
    """The numbers of the first frames of all shots but the first, and the cost."""
    source = probe(str(path), uri=str(path))
    config = ReadConfig(ShotConfig(detector), background=None)
    begun, cpu = time.perf_counter(), time.process_time()
    *_, report = SegmentReader(config)(Segment(source, source.span, "bench"), str(path))
    seconds, cpu_s = time.perf_counter() - begun, time.process_time() - cpu
    assert isinstance(report, SegmentReport)
    assert report.first_pts is not None
    assert report.last_pts is not None
    shots = fold_shots(source, report.cut_events, report.first_pts, report.last_pts, config=config.shots)
    starts = [source.clock.seconds(shot.span.start - source.span.start) for shot in shots[1:]]
    return [round(start * source.frame_rate) for start in starts], Cost(
        report.frames_decoded / seconds, cpu_s / report.frames_decoded * 1000
    )


def pictures_of(path: Path) -> list[Picture]:
    with av.open(str(path)) as container:
        frames = (f.reformat(WIDTH_PX, HEIGHT_PX, "rgb24").to_ndarray() for f in container.decode(video=0))
        return [np.asarray(f, np.uint8) for f, _ in zip(frames, range(400), strict=False)]


def montage(data: Path, target: Path) -> list[Transition]:
    """Writes the video; returns its transitions."""
    chance = random.Random(0)
    clips = [pictures_of(data / name) for name in CLIPS]
    truth: list[Transition] = []
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(RATE))
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        stream.options = {"crf": "20", "preset": "veryfast"}
        for picture in _join(clips, chance, truth):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return truth


def _join(clips: Sequence[list[Picture]], chance: random.Random, truth: list[Transition]) -> Iterator[Picture]:
    """The montage's frames; adds its transitions to `truth`."""
    count, last, tail = 0, -1, list[Picture]()  # tail: the end of the part before, for a dissolve
    for piece in range(PIECES):
        last = chance.choice([i for i in range(len(clips)) if i != last])
        frames = clips[last]
        begin = chance.randrange(len(frames) - 100)
        frames = frames[begin : begin + chance.randrange(60, 100)]
        kind = chance.choice(["cut", "cut", "dissolve", "fade"]) if piece else "start"
        length = chance.randrange(8, 25)
        mixed = list[Picture]()
        if kind == "dissolve":
            mixed = [
                _mix(a, b, (i + 1) / (length + 1)) for i, (a, b) in enumerate(zip(tail, frames[:length], strict=False))
            ]
            frames = frames[length:]
        elif kind == "fade":
            black = np.zeros_like(frames[0])
            mixed = [_mix(a, black, (i + 1) / length) for i, a in enumerate(tail[:length])]
            mixed += [_mix(black, b, i / length) for i, b in enumerate(frames[:length])]
            frames = frames[length:]
        if piece:
            truth.append((count, count + len(mixed)))
        frames, tail = frames[:-25], frames[-25:]
        yield from mixed
        yield from frames
        count += len(mixed) + len(frames)


def _mix(a: Picture, b: Picture, share: float) -> Picture:
    return np.rint(a * (1 - share) + b * share).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    detectors: tuple[str, ...] = tuple(SHOT_DETECTORS.built_in)
    testvideo = options.data / "shot-clips" / "testvideo.mp4"
    with tempfile.TemporaryDirectory() as folder:
        joined = Path(folder) / "montage.mp4"
        for path, truth in ((testvideo, TESTVIDEO), (joined, montage(options.data, joined))):
            print(f"\n{path.name}: {len(truth)} transitions, {sum(a < b for a, b in truth)} of them gradual")
            print(f"{'detector':<12}{'precision':>10}{'recall':>8}{'F1':>7}{'hard':>10}{'gradual':>10}")
            for detector in detectors:
                cuts, _ = read(path, detector)
                kinds = [[t for t in truth if (t[0] == t[1]) == hard] for hard in (True, False)]
                parts = "".join(f"{score(kind, cuts).found:>6}/{len(kind):<3}" for kind in kinds)
                print(f"{detector:<12}{score(truth, cuts)} {parts}", flush=True)
    costs: dict[str, list[Cost]] = {name: [] for name in detectors}
    for _ in range(options.rounds):
        for name in detectors:
            costs[name].append(read(testvideo, name)[1])
    print(f"\nreader on {testvideo.name}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{'detector':<12}{'frames/s':>10}{'ratio':>8}{'CPU ms':>10}{'ratio':>8}")
    for name, own in costs.items():
        pairs = list(zip(own, costs["content"], strict=True))
        rate, cpu = (statistics.median(c.frames_per_s for c in own), statistics.median(c.cpu_ms for c in own))
        rate_ratio = statistics.median(a.frames_per_s / b.frames_per_s for a, b in pairs)
        cpu_ratio = statistics.median(b.cpu_ms / a.cpu_ms for a, b in pairs)
        print(f"{name:<12}{rate:>10.0f}{rate_ratio:>8.3f}{cpu:>10.2f}{cpu_ratio:>8.3f}")


if __name__ == "__main__":
    main()
