"""The head that finds objects in the levels of a pass of the embedded model's backbone."""

import hashlib
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from operators.encoders.everyday.backbone import LEVELS
from operators.encoders.everyday.package_weights import session_of
from operators.proposals.refine import nms
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError, ModelError
from schemas.vectors import FeatureMap, VectorArray

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

WEIGHTS = Path(__file__).parent / "weights" / "objects.onnx"
USED = LEVELS[:3]
STRIDES = tuple(level.stride_px for level in USED)
WIDTHS = tuple(level.channels for level in USED)
FINE, COARSE = 32, 64  # channels at stride 8, and at strides 16 and 32
CONVOLUTIONS = 3
GROUPS = 8
NORM_EPSILON = 1e-5
SCORES, SIDES = "scores", "sides"  # outputs of the graph
_CANDIDATES = 1000  # cells that are decoded, the best first: more change nothing for 64 boxes


class ObjectHead:
    """Finds objects of any kind in the map of a frame. The graph is loaded when it is first used.

    Any number of threads may use it at once; one call runs on one thread.
    """

    def __init__(self, weights: Path = WEIGHTS) -> None:
        self._weights = weights

    def __call__(
        self, feature_map: FeatureMap, *, limit: int, least_score: float, max_iou: float
    ) -> tuple[Boxes, VectorArray]:
        """feature_map: of the embedded model, of a pass of any size.

        Returns the best boxes, of which no two overlap by more than `max_iou`, and their expected IoU with an object,
        float32 (N,), falling, each at least `least_score`; N is at most `limit`.
        Raises InvalidValueError for the map of another model.
        """
        levels = feature_map.levels[: len(USED)]
        if tuple(level.shape[2] for level in levels) != WIDTHS:
            raise InvalidValueError(f"objects are found in maps of the embedded model alone, got {feature_map!r}")
        inputs = {of.name: level[None] for of, level in zip(USED, levels, strict=True)}
        scores, sides = self._session.run([SCORES, SIDES], inputs)
        rows, cols, _ = levels[0].shape
        height_px, width_px = rows * STRIDES[0], cols * STRIDES[0]
        best = np.argsort(-scores, kind="stable")[:_CANDIDATES]
        best = best[scores[best] >= least_score]
        centres = cell_centres(height_px, width_px)[best]
        corners = np.concatenate([centres - sides[best, :2], centres + sides[best, 2:]], axis=1)
        boxes = Boxes.clipped(corners / np.array([width_px, height_px] * 2, np.float32))
        kept = nms(boxes, max_iou=max_iou, limit=limit)
        return boxes[kept], scores[best[kept]]

    @cached_property
    def _session(self) -> "InferenceSession":
        try:
            graph = self._weights.read_bytes()
        except OSError as error:
            raise ModelError(f"{self._weights} cannot be read: {error}") from error
        return session_of(graph, None, threads=1)


@lru_cache(maxsize=64)
def cell_centres(height_px: int, width_px: int) -> VectorArray:
    """float32 (cells, 2): x and y of the centre of every cell in pixels, level by level, row by row."""
    centres = []
    for stride in STRIDES:
        rows, cols = height_px // stride, width_px // stride
        y, x = np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij")
        centres.append((np.stack([x, y], axis=2).reshape(-1, 2) + 0.5) * stride)
    return np.concatenate(centres).astype(np.float32)


def objects_revision(weights: Path = WEIGHTS) -> str:
    """The hash of a head, as twelve hexadecimal digits."""
    return hashlib.blake2b(weights.read_bytes(), digest_size=6).hexdigest()
