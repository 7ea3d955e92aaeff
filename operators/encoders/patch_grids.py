"""Encodes pictures as grids of patch vectors in the space of a model."""

from collections.abc import Sequence

from operators.encoders.encoder import Encoder
from operators.encoders.pooling import cell_features
from schemas.frames import ImageArray
from schemas.patches import PatchGrid
from schemas.vectors import FeatureMap


def patch_grids(encoder: Encoder, images: Sequence[ImageArray]) -> list[PatchGrid]:
    """One grid per picture. images: uint8 (H, W, 3) RGB each."""
    return [projected(encoder, feature_map) for feature_map in encoder.feature_maps(images)]


def projected(encoder: Encoder, feature_map: FeatureMap) -> PatchGrid:
    """The cells of a feature map, projected to vectors."""
    rows, cols, channels = feature_map.shape
    vectors = encoder.project(cell_features(feature_map).reshape(-1, channels))
    return PatchGrid(vectors.reshape(rows, cols, -1), feature_map.extent)
