"""Reads boxes and masks from rows of `regions`."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.masks import Mask


def corners_of(rows: pa.Table) -> NDArray[Any]:
    """(N, 4): the corners of boxes, in the type of the columns x0, y0, x1 and y1."""
    return np.stack([rows[side].to_numpy() for side in ("x0", "y0", "x1", "y1")], axis=1)


def masks_of(rows: pa.Table) -> dict[str, Mask]:
    """The masks of the regions that have one, by region id. rows: id, mask and mask_area of regions."""
    found = {}
    for row in rows.select(["id", "mask", "mask_area"]).to_pylist():
        if row["mask"] is not None:
            height_px, width_px = row["mask"]["size"]
            area_px = round(row["mask_area"] * height_px * width_px)
            found[row["id"]] = Mask(height_px, width_px, row["mask"]["counts"], area_px)
    return found
