"""Lakes of frames that are grids of colours, with their patches and representatives, and an encoder that sees them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from operators.encoders.patch_grids import patch_grids
from operators.encoders.pooling import pool_boxes
from operators.representatives.build import build_representatives
from operators.representatives.config import RepresentativesConfig
from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.lake.writing.committer import Committer
from schemas.boxes import Boxes
from schemas.frames import ImageArray
from schemas.patches import PatchGrid
from schemas.sources import Segment
from schemas.vectors import FeatureMap, VectorArray, normalise
from tests.pipeline.lake.synthetic import SPACE, World
from tests.pipeline.search.drawn import DrawnEncoder

ROWS, COLS, CELL_PX = 6, 8, 8
_MIX = np.random.default_rng(1).normal(size=(3, SPACE.dimension)).astype(np.float32)
_represent = build_representatives(RepresentativesConfig(method="kmeans", count=4))


class ColourEncoder(DrawnEncoder):
    """The vector of a cell of 8 by 8 px is its colour, mixed into 16 dimensions; of a picture, that of the mean."""

    def encode_images(self, images: Sequence[ImageArray], *, maps: Sequence[FeatureMap] | None = None) -> VectorArray:
        del maps
        return np.stack([normalise(grid.flat().mean(axis=0)) for grid in patch_grids(self, images)])

    def encode_regions(
        self, images: Sequence[ImageArray], boxes: Sequence[Boxes], *, context: float, side_px: int
    ) -> VectorArray:
        del context, side_px
        return self.pool_regions(images, boxes)

    def pool_regions(self, images: Sequence[ImageArray], boxes: Sequence[Boxes]) -> VectorArray:
        maps = self.feature_maps(images)
        return self.project(np.concatenate([pool_boxes(m, b) for m, b in zip(maps, boxes, strict=True)]))

    def feature_maps(self, images: Sequence[ImageArray], *, side_px: int | None = None) -> list[FeatureMap]:
        del side_px
        return [FeatureMap((_cells(image),)) for image in images]

    def project(self, features: VectorArray) -> VectorArray:
        return normalise(features @ _MIX)


def _cells(image: ImageArray) -> VectorArray:
    means = image.reshape(image.shape[0] // CELL_PX, CELL_PX, -1, CELL_PX, 3).mean(axis=(1, 3), dtype=np.float32)
    return means - np.float32(127.5)


def picture(source: int, pts: int) -> ImageArray:
    """uint8 (48, 64, 3): a colour at random in each cell."""
    cells = np.random.default_rng([source, pts]).integers(0, 256, (ROWS, COLS, 3), np.uint8)
    return cells.repeat(CELL_PX, axis=0).repeat(CELL_PX, axis=1)


def shown(world: World, segment: Segment, pictures: dict[int, ImageArray]) -> SegmentRows:
    """The rows of a segment whose keyframes show these pictures, by PTS."""
    rows = world.rows(segment, patches=True)
    encoder = ColourEncoder()
    frames, patches = rows.frames.to_pylist(), rows.patches.to_pylist()
    for frame, patch in zip(frames, patches, strict=True):
        image = pictures[frame["pts"]]
        (grid,), (vector,) = patch_grids(encoder, [image]), encoder.encode_images([image])
        parts = _represent(grid, Boxes.empty())
        frame |= {"vector": vector.astype(np.float16), "parts": list(parts.vectors.astype(np.float16))}
        frame |= {"part_boxes": parts.boxes.xyxy.tolist(), "part_counts": parts.counts.tolist()}
        patch |= {"rows": grid.rows, "cols": grid.cols, "vectors": list(grid.flat().astype(np.float16))}
    return replace(
        rows,
        frames=pa.Table.from_pylist(frames, schema=rows.frames.schema),
        patches=pa.Table.from_pylist(patches, schema=rows.patches.schema),
    )


def add_coloured(committer: Committer, world: World, *, pieces: int = 1) -> None:
    committer.register(world.source)
    for segment in world.segments(pieces):
        pts = range(segment.span.start, segment.span.stop)
        committer.commit([shown(world, segment, {p: picture(world.number, p) for p in pts})])


def stored_grid(row: dict[str, object]) -> PatchGrid:
    """The patch grid of a row of the table `patches`."""
    vectors = np.array(row["vectors"], np.float32).reshape(row["rows"], row["cols"], -1)  # type: ignore[call-overload]
    return PatchGrid(vectors)
