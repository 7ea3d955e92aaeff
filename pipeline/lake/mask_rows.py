"""Reads masks from rows of `regions`."""

import pyarrow as pa

from schemas.masks import Mask


def masks_of(rows: pa.Table) -> dict[str, Mask]:
    """The masks of the regions that have one, by region id. rows: id, mask and mask_area of regions."""
    found = {}
    for row in rows.select(["id", "mask", "mask_area"]).to_pylist():
        if row["mask"] is not None:
            height_px, width_px = row["mask"]["size"]
            area_px = round(row["mask_area"] * height_px * width_px)
            found[row["id"]] = Mask(height_px, width_px, row["mask"]["counts"], area_px)
    return found
