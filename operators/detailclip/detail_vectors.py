"""Computes the fused vectors of frames at ingest: encodes the windows of Complete Cover, then fuses each frame's."""

from collections.abc import Sequence
from pathlib import Path

from operators.detailclip.config import DetailConfig
from operators.detailclip.cover import CoverVectors
from operators.detailclip.model import load_detail_model
from operators.encoders.encoder import Encoder
from schemas.frames import ImageArray
from schemas.vectors import VectorArray


class DetailVectors:
    """Computes fused vectors with a trained model.

    Raises ModelError if the file is not a detail model, or was trained with vectors of another model.

    revision: revision of the file, which is stored with each vector.
    """

    def __init__(self, config: DetailConfig, encoder: Encoder) -> None:
        self._model = load_detail_model(Path(config.model))
        self._model.require_space(encoder.space)
        self._cover = CoverVectors(self._model.cover, encoder)

    @property
    def revision(self) -> str:
        return self._model.revision

    def __call__(self, images: Sequence[ImageArray], *, whole: VectorArray) -> VectorArray:
        """float32 (N, D), L2-normalised: the fused vectors. A vector depends on its own frame alone.

        images: uint8 (H, W, 3) RGB each, or images from `Encoder.held`. whole: float32 (N, D), their global vectors.
        """
        return self._model(self._cover(images, whole=whole))
