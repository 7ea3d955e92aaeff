"""Converts keyframes, regions and vectors to Arrow rows, in the schemas of the lake."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pyarrow as pa

from operators.codes.coder import RegionCodes
from operators.representatives.representatives import Representatives
from pipeline.plan.plan import ThumbnailConfig
from schemas.frames import ImageArray, Keyframe
from schemas.ids import frame_id, region_ids
from schemas.patches import PatchGrid
from schemas.regions import Proposals
from schemas.sources import Segment, SegmentReport, Source
from schemas.tables import ADDED_COLUMNS, CODE_BYTES, frames_schema, patches_schema, regions_schema
from schemas.vectors import VectorArray, VectorSpace


@dataclass(frozen=True, slots=True, eq=False)
class SegmentRows:
    """All rows that one segment adds to the lake, ready to commit.

    plan: hash of the plan that made the rows.
    frames, regions, patches: tables of the schemas in schemas/tables.py; patches is None if the plan stores none.
    """

    segment: Segment
    plan: str
    report: SegmentReport
    frames: pa.Table
    regions: pa.Table
    patches: pa.Table | None

    @property
    def nbytes(self) -> int:
        """Size in memory; patches take most of it where there are any, some 0.4 MB per keyframe."""
        return sum(table.nbytes for table in (self.frames, self.regions, self.patches) if table is not None)


def thumbnail(image: ImageArray, config: ThumbnailConfig) -> bytes:
    """JPEG of a keyframe. image: uint8 (H, W, 3) RGB."""
    height, width, _ = image.shape
    scale = min(1.0, config.max_side_px / max(height, width))
    if scale < 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    else:
        resized = image
    done, data = cv2.imencode(".jpg", resized[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, config.quality])
    assert done
    return bytes(data)


def frame_rows(
    source: Source,
    keyframes: Sequence[Keyframe],
    vectors: VectorArray,
    *,
    thumbnails: Sequence[bytes],
    detail: VectorArray | None = None,
    detail_model: str | None = None,
    parts: Sequence[Representatives] | None = None,
    space: VectorSpace,
) -> pa.Table:
    """Rows of `frames`, one per keyframe.

    vectors: float32 (keyframes, D), the global vector of each. thumbnails: JPEG of each.
    Optional, by the plan: detail: float32 (keyframes, D), the fused vector of each, and detail_model, the revision of
    the model that fused them; parts: the representatives of each.
    """
    schema = frames_schema(space)
    columns = {
        "id": [frame_id(source.id, k.pts) for k in keyframes],
        **_place(source, keyframes, [1] * len(keyframes)),
        "width_px": [source.width_px] * len(keyframes),
        "height_px": [source.height_px] * len(keyframes),
        "reason": [k.reason for k in keyframes],
        "thumbnail": list(thumbnails),
        "vector": _vectors(vectors, space),
        "detail": pa.nulls(len(keyframes), schema.field("detail").type),
        "detail_model": pa.nulls(len(keyframes), pa.string()),
    }
    if detail is not None:
        columns["detail"] = _vectors(detail, space)
        columns["detail_model"] = [detail_model] * len(keyframes)
    if parts is None:
        for name in ("parts", "part_boxes", "part_counts"):
            columns[name] = pa.nulls(len(keyframes), schema.field(name).type)
    else:
        counts = [len(p) for p in parts]
        columns["parts"] = _lists([_vectors(p.vectors, space) for p in parts], counts, schema.field("parts"))
        boxes = [pa.FixedSizeListArray.from_arrays(pa.array(p.boxes.xyxy.reshape(-1)), 4) for p in parts]
        columns["part_boxes"] = _lists(boxes, counts, schema.field("part_boxes"))
        columns["part_counts"] = _lists([pa.array(p.counts) for p in parts], counts, schema.field("part_counts"))
    return _table(columns, schema)


def region_rows(
    source: Source,
    keyframes: Sequence[Keyframe],
    proposals: Sequence[Proposals],
    vectors: Sequence[VectorArray],
    *,
    space: VectorSpace,
    codes: Sequence[RegionCodes] | None = None,
) -> pa.Table:
    """Rows of `regions`, one per region, frame by frame. vectors, codes: those of each keyframe's regions.

    vectors: one array per keyframe, float32 (regions, D).
    """
    frames = [frame_id(source.id, k.pts) for k in keyframes]
    counts = [len(p) for p in proposals]
    together = Proposals.concat(proposals)
    x0, y0, x1, y1 = together.boxes.xyxy.T
    columns = {
        "id": [i for f, p in zip(frames, proposals, strict=True) for i in region_ids(f, p.boxes, p.proposer)],
        "frame": [f for f, n in zip(frames, counts, strict=True) for _ in range(n)],
        **_place(source, keyframes, counts),
        "x0": x0,
        "y0": y0,
        "x1": x1,
        "y1": y1,
        "area": together.boxes.area(),
        "proposer": list(together.proposer),
        "score": together.score,
        "label": list(together.label),
        "mask": [None if m is None else {"size": [m.height_px, m.width_px], "counts": m.counts} for m in together.mask],
        "mask_area": [None if m is None else m.area for m in together.mask],
        "stability": pa.array(together.stability, from_pandas=True),  # NaN: unknown
        "track": [None] * len(together),  # known once the source is complete
        "vector": _vectors(np.concatenate([*vectors, np.zeros((0, space.dimension), np.float32)]), space),
        "code": _codes(codes, count=len(together)),
    }
    return _table(columns, regions_schema(space))


def patch_rows(
    source: Source,
    keyframes: Sequence[Keyframe],
    grids: Sequence[PatchGrid],
    *,
    space: VectorSpace,
) -> pa.Table:
    """Rows of `patches`, one per keyframe, with the vectors of its grid row by row."""
    schema = patches_schema(space)
    vectors = [_vectors(grid.flat(), space) for grid in grids]
    columns = {
        "frame": [frame_id(source.id, k.pts) for k in keyframes],
        **_place(source, keyframes, [1] * len(keyframes)),
        "rows": [grid.rows for grid in grids],
        "cols": [grid.cols for grid in grids],
        "extent": [list(grid.extent) for grid in grids],
        "vectors": _lists(vectors, [len(grid) for grid in grids], schema.field("vectors")),
    }
    return _table(columns, schema)


def _table(columns: Mapping[str, Sequence[object]], schema: pa.Schema) -> pa.Table:
    """A table of the schema; the columns that the writer of the lake fills are null."""
    count = len(columns["source_id"])
    filled_later = {f.name: pa.nulls(count, f.type) for f in schema if f.name in ADDED_COLUMNS}
    return pa.table({**columns, **filled_later}, schema=schema)


def _place(source: Source, keyframes: Sequence[Keyframe], counts: Sequence[int]) -> dict[str, list[object]]:
    """The columns with a row's position in its source; those of the k-th keyframe are repeated `counts[k]` times."""
    pts = [k.pts for k, n in zip(keyframes, counts, strict=True) for _ in range(n)]
    return {
        "source_id": [source.id] * len(pts),
        "source": [source.uri] * len(pts),
        "pts": list(pts),
        "pts_s": [source.clock.seconds(p) for p in pts],
        "time": [source.clock.utc(p) for p in pts],
    }


def _lists(values: Sequence[pa.Array], counts: Sequence[int], field: pa.Field) -> pa.ListArray:
    """A column of lists; the k-th list has `counts[k]` values."""
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    together = pa.concat_arrays(values) if values else pa.array([], field.type.value_type)
    return pa.ListArray.from_arrays(pa.array(offsets), together)


def _codes(codes: Sequence[RegionCodes] | None, *, count: int) -> pa.Array:
    """The column of codes; null where a region has no code."""
    kind = pa.list_(pa.uint8(), CODE_BYTES)
    if not codes:
        return pa.nulls(count, kind)
    bits = np.concatenate([each.codes for each in codes]).reshape(-1)
    missing = ~np.concatenate([each.coded for each in codes])
    return pa.FixedSizeListArray.from_arrays(pa.array(bits), type=kind, mask=pa.array(missing))


def _vectors(vectors: VectorArray, space: VectorSpace) -> pa.FixedSizeListArray:
    half = np.ascontiguousarray(vectors, dtype=np.float16)
    return pa.FixedSizeListArray.from_arrays(pa.array(half.reshape(-1)), space.dimension)
