"""How a search holds what it compares: in memory, or in files that are mapped into it."""

import os
from typing import Literal

from operators.checkpoints.free_memory import free_bytes
from operators.runtime.own_folder import require_own_folder
from pipeline.lake.lake import Lake

KEPT = ".search"  # folder of a lake
Resident = Literal["float16", "int8", "disk"]
_SHARE = 0.5  # of the free memory, which is not for one search alone
_REGION_BYTES = 220  # of a region beside its vector: ids, box, code, numbers, and what a query makes of them


def choose_resident(lake: Lake, *, dimension: int) -> Resident:
    """On disk where columns are kept already, or where the lake needs more than half of the free memory.

    On disk means in the lake's own folder, so that `forget` finds it; a lake in a bucket, or one that this user may not
    write to, is held in memory whatever its size.
    """
    if not can_keep(lake):
        return "float16"
    assert lake.folder is not None
    needed = lake.count("regions") * (2 * dimension + _REGION_BYTES)
    return "disk" if (lake.folder / KEPT).is_dir() or needed > _SHARE * free_bytes() else "float16"


def can_keep(lake: Lake) -> bool:
    """Whether columns can be kept in the lake's folder."""
    if lake.folder is None or not os.access(lake.folder, os.W_OK | os.X_OK):
        return False
    try:
        require_own_folder(lake.folder / KEPT)
    except PermissionError:
        return False
    return True
