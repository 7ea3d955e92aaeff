"""Computes binary codes for the largest regions of a frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operators.codes.config import CodesConfig
from operators.codes.features import RegionFeatures
from operators.codes.hamming import CodeArray
from operators.codes.model import CodeModel
from operators.encoders.encoder import Encoder
from schemas.frames import ImageArray
from schemas.regions import Proposals
from schemas.tables import CODE_BYTES
from schemas.vectors import FeatureMap


@dataclass(frozen=True, slots=True, eq=False)
class RegionCodes:
    """Codes of the N regions of one frame. codes: uint8 (N, 32). coded: bool (N,), which regions have a code."""

    codes: CodeArray
    coded: NDArray[np.bool_]


class RegionCoder:
    """Computes the codes of regions of keyframes. Raises ModelError if the code model belongs to another encoder."""

    def __init__(self, config: CodesConfig, encoder: Encoder) -> None:
        self._config = config
        self._model = CodeModel.load(Path(config.model))
        self._model.require_space(encoder.space)
        self._features = RegionFeatures(self._model.features, encoder)

    def __call__(
        self,
        images: Sequence[ImageArray],
        proposals: Sequence[Proposals],
        *,
        maps: Sequence[FeatureMap] | None = None,
    ) -> list[RegionCodes]:
        """The codes for each image.

        images: uint8 (H, W, 3) RGB each. proposals: the regions of each image. maps: the feature map of each image; by
            default they are computed.
        """
        chosen = [largest_regions(p, self._config.regions_per_frame) for p in proposals]
        features = self._features(images, [p.take(i) for p, i in zip(proposals, chosen, strict=True)], maps=maps)
        made = []
        for regions, index, x in zip(proposals, chosen, features, strict=True):
            codes = np.zeros((len(regions), CODE_BYTES), np.uint8)
            codes[index] = self._model(x)
            coded = np.zeros(len(regions), np.bool_)
            coded[index] = True
            made.append(RegionCodes(codes, coded))
        return made


def largest_regions(proposals: Proposals, count: int) -> NDArray[np.intp]:
    """Indices, ascending, of at most `count` regions: those with masks first, then the largest, then in their order."""
    masked = np.array([m is not None and m.area_px > 0 for m in proposals.mask], np.bool_)
    mask_area = [0.0 if m is None else m.area for m in proposals.mask]
    area = np.where(masked, mask_area, proposals.boxes.area())
    return np.sort(np.lexsort((-area, ~masked))[:count])
