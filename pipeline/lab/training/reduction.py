"""Fits a reduction to the vectors that a model gives pictures and their parts; their labels are not needed."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from operators.encoders.catalogue import load_encoder
from operators.encoders.encoder import Encoder
from operators.encoders.reduction import principal_directions, save_reduction
from operators.encoders.region_vectors import RegionVectors, RegionVectorsConfig
from operators.proposals.windows.grid import GridConfig, StaticGrid
from operators.readers.picture import PICTURE_SUFFIXES, read_picture
from schemas import require
from schemas.errors import SourceError
from schemas.frames import ImageArray, Keyframe
from schemas.ids import digest
from schemas.vectors import VectorArray

_AT_ONCE = 8  # pictures: models on a GPU embed them together


@dataclass(frozen=True, slots=True)
class ReductionTraining:
    """model, folders: whose vectors of which pictures, with everything below the folders. out: the file to write.

    dimensions: the most that a plan can keep; it may keep fewer. pictures: the most to encode, drawn by a hash of their
        bytes.
    """

    model: str
    folders: tuple[Path, ...]
    dimensions: int
    out: Path
    pictures: int = 2000
    threads: int | None = None

    def __post_init__(self) -> None:
        require.at_least(1, dimensions=self.dimensions, pictures=self.pictures)


@dataclass(frozen=True, slots=True)
class ReductionReport:
    """name: of the reduction, as lakes record it. kept: share of the squared length of all vectors that is kept."""

    out: Path
    name: str
    full_dimensions: int
    kept: float
    pictures: int
    vectors: int
    seconds: float


def train_reduction(
    config: ReductionTraining, *, on_progress: Callable[[int, int], None] = lambda _done, _total: None
) -> ReductionReport:
    """Encodes the pictures, and writes the directions of most variance. The same pictures give the same file.

    on_progress: called with (encoded pictures, total number of pictures). Raises ModelError for the model, SourceError
    if there are too few pictures or one cannot be read.
    """
    start = time.perf_counter()
    encoder = load_encoder(config.model, threads=config.threads, class_paths=True)
    try:
        space = encoder.space
        if config.dimensions >= space.dimension:
            raise SourceError(f"{space.model} has {space.dimension} dimensions: fit fewer than that")
        paths = _drawn(config)
        held = picture_vectors(paths, encoder, on_progress=on_progress)
    finally:
        encoder.close()
    vectors = np.concatenate([np.zeros((0, space.dimension), np.float32), *held])
    if len(vectors) < config.dimensions:
        raise SourceError(
            f"{len(paths)} pictures give {len(vectors)} vectors, fewer than the {config.dimensions} dimensions"
        )
    matrix, share = principal_directions(vectors, dimensions=config.dimensions)
    made = save_reduction(config.out, matrix, space)
    return ReductionReport(
        config.out,
        made.name,
        space.dimension,
        float(share.sum()),
        len(paths),
        len(vectors),
        time.perf_counter() - start,
    )


def picture_vectors(
    paths: Sequence[Path], encoder: Encoder, *, on_progress: Callable[[int, int], None] = lambda _done, _total: None
) -> list[VectorArray]:
    """float32 (1 + 20, D) for each picture: its own vector, and those of the cells of two grids."""
    grid = StaticGrid(GridConfig())
    regions = RegionVectors(RegionVectorsConfig(mode="pool"), encoder)
    found: list[VectorArray] = []
    for at in range(0, len(paths), _AT_ONCE):
        images: list[ImageArray] = [read_picture(str(path)) for path in paths[at : at + _AT_ONCE]]
        held = encoder.to_device(images)
        boxes = [grid(Keyframe(0, image, None, "picture")).boxes for image in images]
        whole = encoder.encode_images(held)
        parts = regions(held, boxes)
        found += [np.concatenate([own[None], of_cells]) for own, of_cells in zip(whole, parts, strict=True)]
        on_progress(len(found), len(paths))
    return found


def _drawn(config: ReductionTraining) -> list[Path]:
    """Pictures in the order of a hash of their bytes, so that copies count once."""
    inside = (path for folder in config.folders for path in folder.rglob("*"))
    paths = sorted(path for path in inside if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file())
    by_content = {digest("picture", path.read_bytes()): path for path in paths}
    if not by_content:
        raise SourceError(f"no pictures in {', '.join(map(str, config.folders))}")
    return [by_content[key] for key in sorted(by_content)[: config.pictures]]
