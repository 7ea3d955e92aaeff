"""Where a shot detector fires, frame by frame, before any rule on shot length."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from scenedetect.common import FrameTimecode, Timecode, framerate_to_fraction
from scenedetect.detector import SceneDetector
from scenedetect.detectors import (
    AdaptiveDetector,
    ContentDetector,
    HashDetector,
    HistogramDetector,
    ThresholdDetector,
)

from operators.shots.content_score import FastAdaptiveDetector, FastContentDetector
from operators.shots.transnetv2 import TransNetV2Detector
from schemas import require
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray
from schemas.shots import CutEvent
from schemas.sources import Source

DetectorName = Literal["content", "adaptive", "threshold", "histogram", "hash", "transnetv2"]
_THRESHOLDS: dict[DetectorName, float] = {
    "content": 27.0,
    "adaptive": 3.0,
    "threshold": 12.0,
    "histogram": 0.20,
    "hash": 0.35,
    "transnetv2": 0.5,
}


@dataclass(frozen=True, slots=True)
class ShotConfig:
    """A detector and its settings; the defaults are those of PySceneDetect's command line.

    detector: those of PySceneDetect, or the network TransNetV2.
    threshold: None takes the detector's own default. Units differ: content and threshold 0…255,
        adaptive a ratio, histogram, hash and transnetv2 0…1.
    min_shot_s: rounded to frames at the source's average rate, as the command line does.
    weights: of the changes in hue, saturation, luma and edges (content, adaptive).
    kernel_size: of the edge dilation, odd, >= 3; None goes by the frame size.
    filter_mode: what the content detector does with cuts closer than min_shot_s: "merge" them, or
        "suppress" the later ones.
    min_content: least score of a cut (adaptive). window_frames: on each side (adaptive).
    fade_bias: where in a fade the cut lies, -1 its start … 1 its end (threshold).
    min_fade_s: least time in the dark (threshold). cut_at_final_fade: also where no fade-in follows.
    bins: of the histogram. hash_size, lowpass: of the perceptual hash.
    """

    detector: DetectorName = "content"
    threshold: float | None = None
    min_shot_s: float = 0.6
    weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 0.0)
    kernel_size: int | None = None
    filter_mode: Literal["merge", "suppress"] = "merge"
    min_content: float = 15.0
    window_frames: int = 2
    fade_bias: float = 0.0
    min_fade_s: float = 0.1
    cut_at_final_fade: bool = True
    bins: int = 128
    hash_size: int = 8
    lowpass: int = 2

    def __post_init__(self) -> None:
        require.one_of(_THRESHOLDS, detector=self.detector)
        require.one_of(("merge", "suppress"), filter_mode=self.filter_mode)
        require.at_least(0, min_shot_s=self.min_shot_s, min_fade_s=self.min_fade_s)
        require.at_least(1, window_frames=self.window_frames, bins=self.bins)
        require.at_least(1, hash_size=self.hash_size, lowpass=self.lowpass)
        require.within("[-1, 1]", fade_bias=self.fade_bias)
        if len(self.weights) != 4 or not any(self.weights):
            raise InvalidValueError(f"weights must be four numbers, not all zero, got {self.weights}")
        require.at_least(3, kernel_size=self.kernel_size)
        if self.kernel_size is not None and self.kernel_size % 2 == 0:
            raise InvalidValueError(f"kernel_size must be odd, got {self.kernel_size}")

    @property
    def threshold_or_default(self) -> float:
        return _THRESHOLDS[self.detector] if self.threshold is None else self.threshold


class ShotDetector(Protocol):
    """Frames in, in PTS order; events out, in PTS order, each at most `delay_frames` frames after its own.

    An event depends on a window around it, and never on earlier events: events of neighbouring
    stretches of a source, read apart, are those of the whole.

    events_known: whether all events at the frame given last come out, and mean something. From the
        source's first frame on they do; read from the middle, not before the window is full.
    warm_up_frames: after so many frames they normally do; where the frame rate varies it can take more.
    """

    delay_frames: int
    warm_up_frames: int
    events_known: bool

    def __call__(self, pts: int, small: ImageArray) -> Iterator[CutEvent]:
        """small: uint8 (h, w, 3), BGR, the same size for all frames."""

    def flush(self) -> Iterator[CutEvent]:
        """The events still to come, once the source's last frame was given."""


def shot_detector(config: ShotConfig, source: Source, *, first_of_source: bool) -> ShotDetector:
    """first_of_source: the first frame that will be given is the source's first."""
    if config.detector == "transnetv2":
        return TransNetV2Detector(source, threshold=config.threshold_or_default, first_of_source=first_of_source)
    return _PySceneDetector(config, source, first_of_source=first_of_source)


class _PySceneDetector:
    """PySceneDetect's detectors, with no least shot length, so that events do not depend on each other."""

    def __init__(self, config: ShotConfig, source: Source, *, first_of_source: bool) -> None:
        self._time_base = source.clock.time_base
        self._origin = source.span.start
        self._rate = framerate_to_fraction(source.frame_rate)
        self._detector = _build(config)
        # the last PTS, as many as an event may come late, and one more for the frame before it
        self._recent: list[int] = []
        self.delay_frames = config.window_frames if config.detector == "adaptive" else 0
        self.warm_up_frames = 1 + self.delay_frames
        self._unknown = 0 if first_of_source else self.warm_up_frames  # frames still to pass
        self.events_known = False

    def __call__(self, pts: int, small: ImageArray) -> Iterator[CutEvent]:
        """See ShotDetector."""
        self.events_known, self._unknown = self._unknown == 0, max(0, self._unknown - 1)
        first = not self._recent
        self._recent = [*self._recent[-(self.delay_frames + 1) :], pts]
        # positions count from the source's first frame: timecodes cannot be negative
        timecode = FrameTimecode(Timecode(pts - self._origin, self._time_base), self._rate)
        cuts = self._detector.process_frame(timecode, small)
        if isinstance(self._detector, ThresholdDetector):
            # its cuts need both ends of a fade; each end alone is the raw event
            fade = self._detector.last_fade
            if fade["frame"] is timecode and (not first or fade["type"] == "out"):
                yield CutEvent(pts, self._before(pts), "fade_out" if fade["type"] == "out" else "fade_in")
            return
        for cut in cuts:
            at = cut.pts + self._origin
            yield CutEvent(at, self._before(at), "cut")

    def flush(self) -> Iterator[CutEvent]:
        """None: these detectors do not look past the end."""
        return iter(())

    def _before(self, pts: int) -> int:
        index = self._recent.index(pts)
        return self._recent[index - 1] if index else pts


def _build(config: ShotConfig) -> SceneDetector:
    threshold = config.threshold_or_default
    weights = ContentDetector.Components(*config.weights)
    match config.detector:
        case "content" if not weights.delta_edges:
            return FastContentDetector(threshold=threshold, weights=weights)
        case "content":
            return ContentDetector(
                threshold=threshold,
                min_scene_len=0,
                weights=weights,
                kernel_size=config.kernel_size,
            )
        case "adaptive" if not weights.delta_edges:
            return FastAdaptiveDetector(
                threshold=threshold,
                weights=weights,
                window_frames=config.window_frames,
                min_content=config.min_content,
            )
        case "adaptive":
            return AdaptiveDetector(
                adaptive_threshold=threshold,
                min_scene_len=0,
                window_width=config.window_frames,
                min_content_val=config.min_content,
                weights=weights,
                kernel_size=config.kernel_size,
            )
        case "threshold":
            # never long enough: only the crossings are read, and its own cuts cost time
            return ThresholdDetector(threshold=threshold, min_scene_len=math.inf)
        case "histogram":
            return HistogramDetector(threshold=threshold, bins=config.bins, min_scene_len=0)
        case "hash":
            return HashDetector(threshold=threshold, size=config.hash_size, lowpass=config.lowpass, min_scene_len=0)
        case other:
            raise InvalidValueError(f"{other} is no detector of PySceneDetect")
