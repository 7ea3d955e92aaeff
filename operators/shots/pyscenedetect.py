"""PySceneDetect's detectors, without a least shot length, so that events do not depend on each other.

They use the shared settings of `ShotConfig` and have none of their own.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from scenedetect.common import FrameTimecode, Timecode, framerate_to_fraction
from scenedetect.detector import SceneDetector
from scenedetect.detectors import (
    AdaptiveDetector,
    ContentDetector,
    HashDetector,
    HistogramDetector,
    ThresholdDetector,
)

from operators.shots.config import ShotConfig
from operators.shots.content_score import FastAdaptiveDetector, FastContentDetector
from operators.shots.detector import CutRule, ShotDetector
from schemas.frames import ImageArray
from schemas.shots import CutEvent
from schemas.sources import Source


@dataclass(frozen=True, slots=True)
class ContentConfig:
    name: ClassVar[str] = "content"
    cut_rule: ClassVar[CutRule] = "flash_filtered"

    def build(self, shots: ShotConfig, source: Source, *, first_of_source: bool) -> ShotDetector:
        threshold, weights = shots.threshold_or(27.0), ContentDetector.Components(*shots.weights)
        if weights.delta_edges:
            detector = ContentDetector(
                threshold=threshold, min_scene_len=0, weights=weights, kernel_size=shots.kernel_size
            )
        else:
            detector = FastContentDetector(threshold=threshold, weights=weights)
        return _PySceneDetector(detector, source, first_of_source=first_of_source)


@dataclass(frozen=True, slots=True)
class AdaptiveConfig:
    name: ClassVar[str] = "adaptive"
    cut_rule: ClassVar[CutRule] = "spaced"

    def build(self, shots: ShotConfig, source: Source, *, first_of_source: bool) -> ShotDetector:
        threshold, weights = shots.threshold_or(3.0), ContentDetector.Components(*shots.weights)
        if weights.delta_edges:
            detector = AdaptiveDetector(
                adaptive_threshold=threshold,
                min_scene_len=0,
                window_width=shots.window_frames,
                min_content_val=shots.min_content,
                weights=weights,
                kernel_size=shots.kernel_size,
            )
        else:
            detector = FastAdaptiveDetector(
                threshold=threshold,
                weights=weights,
                window_frames=shots.window_frames,
                min_content=shots.min_content,
            )
        return _PySceneDetector(detector, source, first_of_source=first_of_source, delay_frames=shots.window_frames)


@dataclass(frozen=True, slots=True)
class ThresholdConfig:
    name: ClassVar[str] = "threshold"
    cut_rule: ClassVar[CutRule] = "faded"

    def build(self, shots: ShotConfig, source: Source, *, first_of_source: bool) -> ShotDetector:
        # an infinite least length: only the crossings of the threshold are read, and its own cuts would cost time
        detector = ThresholdDetector(threshold=shots.threshold_or(12.0), min_scene_len=math.inf)
        return _PySceneDetector(detector, source, first_of_source=first_of_source)


@dataclass(frozen=True, slots=True)
class HistogramConfig:
    name: ClassVar[str] = "histogram"
    cut_rule: ClassVar[CutRule] = "spaced"

    def build(self, shots: ShotConfig, source: Source, *, first_of_source: bool) -> ShotDetector:
        detector = HistogramDetector(threshold=shots.threshold_or(0.20), bins=shots.bins, min_scene_len=0)
        return _PySceneDetector(detector, source, first_of_source=first_of_source)


@dataclass(frozen=True, slots=True)
class HashConfig:
    name: ClassVar[str] = "hash"
    cut_rule: ClassVar[CutRule] = "spaced"

    def build(self, shots: ShotConfig, source: Source, *, first_of_source: bool) -> ShotDetector:
        detector = HashDetector(
            threshold=shots.threshold_or(0.35), size=shots.hash_size, lowpass=shots.lowpass, min_scene_len=0
        )
        return _PySceneDetector(detector, source, first_of_source=first_of_source)


class _PySceneDetector:
    """See ShotDetector."""

    def __init__(
        self, detector: SceneDetector, source: Source, *, first_of_source: bool, delay_frames: int = 0
    ) -> None:
        self._time_base = source.clock.time_base
        self._origin = source.span.start
        self._rate = framerate_to_fraction(source.frame_rate)
        self._detector = detector
        # the last PTS: as many as an event may be delayed, and one more for the frame before it
        self._recent: list[int] = []
        self.delay_frames = delay_frames
        self.warm_up_frames = 1 + self.delay_frames
        self._unknown = 0 if first_of_source else self.warm_up_frames  # number of warm-up frames that remain
        self.events_known = False

    def __call__(self, pts: int, small: ImageArray) -> Iterator[CutEvent]:
        """See ShotDetector."""
        self.events_known, self._unknown = self._unknown == 0, max(0, self._unknown - 1)
        first = not self._recent
        self._recent = [*self._recent[-(self.delay_frames + 1) :], pts]
        # positions are relative to the source's first frame, as timecodes cannot be negative
        timecode = FrameTimecode(Timecode(pts - self._origin, self._time_base), self._rate)
        cuts = self._detector.process_frame(timecode, small)
        if isinstance(self._detector, ThresholdDetector):
            # the detector's own cuts need both ends of a fade; here, each end is an event
            fade = self._detector.last_fade
            if fade["frame"] is timecode and (not first or fade["type"] == "out"):
                yield CutEvent(pts, self._before(pts), "fade_out" if fade["type"] == "out" else "fade_in")
            return
        for cut in cuts:
            at = cut.pts + self._origin
            yield CutEvent(at, self._before(at), "cut")

    def flush(self) -> Iterator[CutEvent]:
        """No events: these detectors report all events at the last frame."""
        return iter(())

    def _before(self, pts: int) -> int:
        index = self._recent.index(pts)
        return self._recent[index - 1] if index else pts
