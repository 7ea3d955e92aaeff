"""The shot detectors that a plan can name in `read.shots.detector`."""

from operators.runtime.registry import Registry
from operators.shots.detector import ShotDetectorConfig
from schemas.errors import InvalidValueError

SHOT_DETECTORS: Registry[ShotDetectorConfig] = Registry(
    kind="shot detector",
    group="regionlake.shot_detectors",
    built_in={
        "content": "operators.shots.pyscenedetect:ContentConfig",
        "adaptive": "operators.shots.pyscenedetect:AdaptiveConfig",
        "threshold": "operators.shots.pyscenedetect:ThresholdConfig",
        "histogram": "operators.shots.pyscenedetect:HistogramConfig",
        "hash": "operators.shots.pyscenedetect:HashConfig",
        "transnetv2": "operators.shots.transnetv2:TransNetV2Config",
    },
    protocol=ShotDetectorConfig,  # type: ignore[type-abstract]
    error=InvalidValueError,
)
