"""Reads keyframes with their masks and pictures from the lake, for carrying masks from keyframe to keyframe."""

import numpy as np
from numpy.typing import NDArray

from operators.readers.picture import decode_thumbnail
from operators.tracking.links import MaskedFrame
from pipeline.lake import sql
from pipeline.lake.lake import Lake, lake_errors
from pipeline.lake.mask_rows import masks_of


class KeyframeMasks:
    """The keyframes of one source that have masks, each read on demand.

    The picture is the keyframe's thumbnail, so that no frame is decoded twice; models see squares of 1024 px or less.
    """

    def __init__(self, lake: Lake, source_id: str) -> None:
        self._lake = lake
        with lake_errors(f"reading the frames of {lake.uri}", lake=lake.uri):
            places = lake.dataset("frames").to_table(
                columns=["pts"], filter=sql.equals("source_id", source_id), with_row_id=True
            )
        self._frame_at = dict(zip(places["pts"].to_pylist(), places["_rowid"].to_pylist(), strict=True))

    def at(self, pts: int, regions: NDArray[np.uint64]) -> MaskedFrame | None:
        """The keyframe at a PTS; None if it has no mask. regions: row ids of its regions."""
        with lake_errors(f"reading masks of {self._lake.uri}", lake=self._lake.uri):
            query = self._lake.table("regions").take_row_ids(regions.tolist())
            rows = query.select(["id", "mask", "mask_area"]).to_arrow()
            masks = masks_of(rows)
            if not masks:
                return None
            frame = self._lake.table("frames").take_row_ids([self._frame_at[pts]]).select(["thumbnail"]).to_arrow()
        image = decode_thumbnail(frame["thumbnail"][0].as_py())
        ids = sorted(masks)
        return MaskedFrame(image, tuple(ids), tuple(masks[name] for name in ids))
