"""Which shot detector a plan uses, and its settings."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

from operators.runtime.registry import settings_key
from operators.shots.catalogue import SHOT_DETECTORS
from operators.shots.detector import ShotDetector, ShotDetectorConfig
from schemas import require
from schemas.errors import InvalidValueError
from schemas.sources import Source


@dataclass(frozen=True, slots=True)
class ShotConfig:
    """A detector and its settings; the defaults are those of PySceneDetect's command line.

    detector: one of PySceneDetect's detectors, the network TransNetV2, or another detector by its name or class path.
    threshold: None uses the detector's own default. The units differ: content and threshold 0…255,
        adaptive a ratio, histogram, hash and transnetv2 0…1.
    min_shot_s: rounded to frames at the source's average rate, as the command line does.
    weights: weights of the changes in hue, saturation, luma and edges (content, adaptive).
    kernel_size: size of the edge dilation, odd, >= 3; None chooses it by the frame size.
    filter_mode: what the content detector does with cuts closer than min_shot_s: "merge" them, or
        "suppress" the later ones.
    min_content: least score of a cut (adaptive). window_frames: number of frames on each side (adaptive).
    fade_bias: position of the cut in a fade, from -1 (its start) to 1 (its end) (threshold).
    min_fade_s: least time in the dark (threshold). cut_at_final_fade: cut also if no fade-in follows (threshold).
    bins: bins of the histogram. hash_size, lowpass: parameters of the perceptual hash.
    settings: settings of detectors that have their own, if they differ from the defaults; at most one of each class.
    """

    detector: str = "content"
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
    settings: tuple[ShotDetectorConfig, ...] = ()

    def __post_init__(self) -> None:
        SHOT_DETECTORS.own_name(self.detector)
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
        object.__setattr__(self, "settings", SHOT_DETECTORS.differing(self.settings))

    @property
    def chosen(self) -> ShotDetectorConfig:
        """The chosen detector's own settings."""
        return SHOT_DETECTORS.config_of(self.detector, self.settings)

    def build(self, source: Source, *, first_of_source: bool) -> ShotDetector:
        """See `ShotDetectorConfig.build`."""
        return self.chosen.build(self, source, first_of_source=first_of_source)

    def threshold_or(self, default: float) -> float:
        return default if self.threshold is None else self.threshold

    def counted(self) -> Mapping[str, object]:
        """See `CountsByName`: the detector is counted by its own name, wherever its class is defined."""
        shared = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "settings"}
        if self.detector in SHOT_DETECTORS.built_in:  # these have no settings of their own
            return shared
        return shared | {"detector": self.chosen.name, settings_key(self.chosen.name): self.chosen}
