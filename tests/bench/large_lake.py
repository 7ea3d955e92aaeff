"""A large lake, made of the regions of a lake of real recordings."""

import numpy as np
from numpy.typing import NDArray

from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.search.memory.lake_cache import LakeCache
from schemas.vectors import VectorArray, normalise
from tests.bench.search import FRAMES_A_SEGMENT, REGIONS_A_FRAME, segment_rows, source
from tests.pipeline.lake.synthetic import fold_shots, stored

_MOVED, _MOVED_BOX = 0.3, 0.1


def make_large(real: Lake, uri: str, *, regions: int) -> None:
    """Makes a lake of regions of another, each moved a little: its vector by a length of 0.3, its box by up to a tenth
    of the frame. Memory holds one segment."""
    columns = LakeCache(real, resident="float16")
    columns.refresh()
    alive = np.flatnonzero(columns.region_alive)
    vectors = np.asarray(columns.region_vectors)[alive].astype(np.float32)
    boxes = np.stack([side[alive] for side in columns.boxes], axis=1)
    large = Lake.create_or_open(uri, real.space)
    frames = regions // REGIONS_A_FRAME
    with Committer(large, plan=stored(), fold_shots=fold_shots) as committer:
        for number, first in enumerate(range(0, frames, FRAMES_A_SEGMENT)):
            rng = np.random.default_rng(number)
            count = min(FRAMES_A_SEGMENT, frames - first)
            some = rng.integers(0, len(alive), count * REGIONS_A_FRAME)

            def draw(n: int, some: NDArray[np.int64] = some, rng: np.random.Generator = rng) -> VectorArray:
                base = vectors[some[:n]]
                noise = rng.standard_normal(base.shape, np.float32)
                return normalise(base + noise * np.float32(_MOVED / base.shape[1] ** 0.5))

            shift = rng.uniform(-_MOVED_BOX, _MOVED_BOX, size=(len(some), 2)).astype(np.float32)
            moved = np.clip(boxes[some] + np.tile(shift, 2), 0, 1)
            made = source(number, frames=count)
            rows = segment_rows(made, real.space, seed=number, draw=draw, boxes=moved)
            committer.register(made)
            committer.commit([rows])
