"""Pictures as grids of vectors in the space of a model."""

from collections.abc import Sequence

from operators.encoders.encoder import Encoder
from schemas.frames import ImageArray
from schemas.patches import PatchGrid
from schemas.vectors import FeatureMap


def patch_grids(encoder: Encoder, images: Sequence[ImageArray]) -> list[PatchGrid]:
    """images: uint8 (H, W, 3) RGB each."""
    return [projected(encoder, feature_map) for feature_map in encoder.feature_maps(images)]


def projected(encoder: Encoder, feature_map: FeatureMap) -> PatchGrid:
    """The same cells as vectors."""
    rows, cols, channels = feature_map.features.shape
    vectors = encoder.project(feature_map.features.reshape(-1, channels))
    return PatchGrid(vectors.reshape(rows, cols, -1), feature_map.extent)
