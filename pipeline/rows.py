"""From keyframes, regions and vectors to the Arrow rows of one segment."""

from dataclasses import dataclass

import pyarrow as pa

from schemas.sources import Segment, SegmentReport


@dataclass(frozen=True, slots=True, eq=False)
class SegmentRows:
    """All that one segment adds to the lake, ready to commit.

    plan: hash of the plan that made the rows.
    frames, regions, patches: tables of the schemas in schemas/tables.py; patches is None when not asked for.
    """

    segment: Segment
    plan: str
    report: SegmentReport
    frames: pa.Table
    regions: pa.Table
    patches: pa.Table | None
