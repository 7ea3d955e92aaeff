"""One row for each exported region, for tables."""

from collections.abc import Sequence

import pyarrow as pa

from pipeline.export.dataset import ExportedFrame

COLUMNS = pa.schema(
    [
        *((name, pa.string()) for name in ("region", "frame", "source_id", "source")),
        ("at_s", pa.float64()),
        ("time", pa.timestamp("us")),  # UTC
        *((name, pa.string()) for name in ("label", "verdict")),
        *((name, pa.float64()) for name in ("confidence", "distance", "score")),
        *((name, pa.string()) for name in ("proposer", "track")),
        *((name, pa.float32()) for name in ("x0", "y0", "x1", "y1")),
        *((name, pa.int32()) for name in ("width_px", "height_px")),
    ]
)


def region_rows(frames: Sequence[ExportedFrame]) -> pa.Table:
    """Rows of COLUMNS, in the order of the frames. width_px, height_px: of the frame in its source."""
    made = [
        {
            "region": each.region,
            "frame": frame.id,
            "source_id": frame.source_id,
            "source": frame.source,
            "at_s": frame.at_s,
            "time": frame.time,
            "label": each.label,
            "verdict": each.verdict,
            "confidence": each.confidence,
            "distance": each.distance,
            "score": each.score,
            "proposer": each.proposer,
            "track": each.track,
            **dict(zip(("x0", "y0", "x1", "y1"), each.box, strict=True)),
            "width_px": frame.width_px,
            "height_px": frame.height_px,
        }
        for frame in frames
        for each in frame.annotations
    ]
    return pa.Table.from_pylist(made, schema=COLUMNS)
