"""What is held of the rows of a lake."""

import numpy as np

from pipeline.search.memory.buffers import Shapes
from pipeline.search.memory.resident import Resident
from schemas.tables import CODE_BYTES

FRAMES: Shapes = {
    "id": ("S32", ()),
    "source": (np.int64, ()),
    "pts": (np.int64, ()),
    "pts_s": (np.float64, ()),
    "time": (np.int64, ()),
    "lease": (np.int64, ()),
    "embedded": (np.bool_, ()),
}
REGIONS: Shapes = {
    "id": ("S32", ()),
    "frame_id": ("S32", ()),
    "lease": (np.int64, ()),
    "x0": (np.float32, ()),
    "y0": (np.float32, ()),
    "x1": (np.float32, ()),
    "y1": (np.float32, ()),
    "score": (np.float32, ()),
    "proposer": (np.int64, ()),
    "label": (np.int32, ()),
    "track": ("S32", ()),
    "until": (np.int64, ()),
    "code": (np.uint8, (CODE_BYTES,)),
    "coded": (np.bool_, ()),
    "embedded": (np.bool_, ()),
}


def vector_shapes(resident: Resident, dimension: int) -> Shapes:
    if resident != "int8":
        return {"vector": (np.float16, (dimension,))}
    return {
        "steps": (np.int8, (dimension,)),
        "step": (np.float32, ()),
        "error": (np.float32, ()),
        "row_id": (np.uint64, ()),
    }
