"""Catches video of a person that goes with the empty hours, and video of parked cars that stays."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.lake.lake import Lake
from pipeline.lake.upkeep.config import UpkeepConfig
from pipeline.lake.upkeep.moving_video import moving_spans
from pipeline.lake.writing.committer import Committer
from schemas.clock import Span
from schemas.errors import InvalidValueError
from schemas.sources import Segment
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots, stored

WALKS = {5: 0.1, 10: 0.12, 15: 0.4}  # PTS of keyframes → left side of a box that is 0.2 wide


@dataclass(frozen=True, slots=True)
class Street(World):
    """A keyframe every five ticks, each with one region: of a thing that was followed, or one that moves at PTS 40."""

    regions: int = 1

    def rows(self, segment: Segment, *, patches: bool = False) -> SegmentRows:
        rows = super(Street, self).rows(segment, patches=patches)
        regions = rows.regions.to_pylist()
        for row in regions:
            left = WALKS.get(row["pts"], 0.5)
            row |= {"x0": left, "y0": 0.2, "x1": left + 0.2, "y1": 0.8, "proposer": "objects", "track": "parked"}
            if row["pts"] in WALKS:
                row["track"] = "walks"
            if row["pts"] == 40:
                row |= {"proposer": "moving", "track": None}
        return SegmentRows(
            segment=rows.segment,
            plan=rows.plan,
            report=rows.report,
            frames=rows.frames,
            regions=pa.Table.from_pylist(regions, schema=rows.regions.schema),
            patches=rows.patches,
        )


def test_moving_regions_and_tracks_that_change_their_place_move_and_what_stands_does_not(tmp_path: Path) -> None:
    street = Street(1)
    lake = Lake.create_or_open(str(tmp_path / "lake"), SPACE)
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
        writer.register(street.source)
        writer.commit([street.rows(segment) for segment in street.segments()])
    found = moving_spans(Lake.open(lake.uri), [street.source.id, "another"])
    assert sorted(found[street.source.id]) == [
        Span(10, 16),
        Span(40, 41),
    ]  # of 5 to 10 it moved by a tenth of its width
    assert list(found) == [street.source.id]
    assert moving_spans(lake, []) == {}


@pytest.mark.parametrize(
    ("rows_days", "video_days", "moving_days", "said"),
    [(None, None, 30, "older than"), (None, 30, 7, "older than"), (20, 7, 30, "must not exceed")],
)
def test_ages_that_contradict_each_other_are_refused(
    rows_days: int | None, video_days: int | None, moving_days: int, said: str
) -> None:
    ages = [None if days is None else timedelta(days=days) for days in (rows_days, video_days, moving_days)]
    with pytest.raises(InvalidValueError, match=said):
        UpkeepConfig(max_age=ages[0], video_max_age=ages[1], video_moving_max_age=ages[2])
