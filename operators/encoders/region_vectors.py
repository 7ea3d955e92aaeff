"""Makes vectors of regions: encodes each box of a frame as a crop, from the frame's feature map, or both."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np

from operators.encoders.encoder import Encoder, require_boxes
from operators.encoders.pooling import pool_boxes
from operators.encoders.reduced_encoder import ReducedEncoder
from operators.encoders.reduction import file_reduction_name
from operators.encoders.region_mode import RegionModeSetting
from operators.runtime.settings import neutral, weights
from schemas import require
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray
from schemas.vectors import FeatureMap, VectorArray, normalise

_MAP_PX = 448


@dataclass(frozen=True, slots=True)
class RegionVectorsConfig:
    """How a box becomes a vector.

    mode: "pool" encodes the frame once and averages the cells under each box; "crop" encodes every box by itself, which
        takes 10 to 60 times as long; "both" is the mean of these two vectors. A plan replaces "auto" by what suits its
        model: "pool" for the embedded one, "both" for checkpoints.
    map_px: side of a square with the area of the frame as the embedded model sees it, for all vectors that are pooled.
        Small things need a larger one; time grows with its square. Models with one input size ignore it.
    context: factor by which the box of a crop is grown about its centre, so that its surroundings are seen.
    crop_px: side of the model's input for a crop; time grows with its square. A model with one input size ignores it.
    dimensions: length to which all vectors of the lake are shortened (of frames, regions and patches); 0: not at all.
    reduction: the file by which they are shortened, which `regionlake lab train reduction` writes; "" for a model whose
        own dimensions are ordered, and for a lake that has the reduction already.
    """

    mode: RegionModeSetting = "auto"
    context: float = 1.4
    crop_px: int = 160
    map_px: int = field(default=_MAP_PX, metadata=neutral(448))
    dimensions: int = field(default=0, metadata=neutral(0))
    reduction: str = field(default="", metadata={**weights(file_reduction_name), **neutral("")})

    def __post_init__(self) -> None:
        require.one_of(get_args(RegionModeSetting), mode=self.mode)
        require.at_least(1, context=self.context)
        require.at_least(32, crop_px=self.crop_px)
        require.within("[64, 2048]", map_px=self.map_px)
        require.at_least(0, dimensions=self.dimensions)
        if self.reduction and not self.dimensions:
            raise InvalidValueError("regions.reduction needs regions.dimensions, the number of dimensions to keep")


class RegionVectors:
    """Makes one L2-normalised float32 vector per box, in the order of the boxes."""

    def __init__(self, config: RegionVectorsConfig, encoder: Encoder) -> None:
        if config.mode == "auto":
            raise InvalidValueError('regions.mode is "auto": a plan decides it for its model')
        self._config = config
        # the mean of a crop and a map is shortened, not the mean of their short vectors: `--reembed` then gets the same
        # from the full vectors of a lake
        self._reduce = encoder.reduce if isinstance(encoder, ReducedEncoder) else None
        self._encoder = encoder.full if isinstance(encoder, ReducedEncoder) else encoder

    def __call__(
        self, images: Sequence[ImageArray], boxes: Sequence[Boxes], *, maps: Sequence[FeatureMap] | None = None
    ) -> list[VectorArray]:
        """images: uint8 (H, W, 3) RGB each; boxes: one `Boxes` per image. maps: feature maps of the images, if known.

        Returns float32 (len(boxes[i]), D) for each image i. A vector depends only on its own frame and box.
        """
        require_boxes(images, boxes)
        if not images:
            return []
        parts = []
        if self._config.mode != "crop":
            if maps is None and self._config.map_px != _MAP_PX:
                maps = self.maps(images)
            parts.append(self._encoder.pool_regions(images, boxes) if maps is None else self._pooled(maps, boxes))
        if self._config.mode != "pool":
            parts.append(
                self._encoder.encode_regions(images, boxes, context=self._config.context, side_px=self._config.crop_px)
            )
        vectors = parts[0] if len(parts) == 1 else normalise(parts[0] + parts[1])
        if self._reduce is not None:
            vectors = self._reduce(vectors)
        ends = np.cumsum([len(b) for b in boxes])
        return np.split(vectors, ends[:-1])

    def maps(self, images: Sequence[ImageArray]) -> list[FeatureMap]:
        """The feature maps of the images, of the size that the settings choose."""
        return self._encoder.feature_maps(images, side_px=self._config.map_px)

    def _pooled(self, maps: Sequence[FeatureMap], boxes: Sequence[Boxes]) -> VectorArray:
        return self._encoder.project(np.concatenate([pool_boxes(m, b) for m, b in zip(maps, boxes, strict=True)]))
