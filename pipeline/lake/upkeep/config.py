"""Settings of upkeep: what it does to a lake, and how often."""

from dataclasses import dataclass
from datetime import timedelta

from pipeline.lake.upkeep.compaction import KEEP_VERSIONS, MANY_FRAGMENTS
from schemas import require
from schemas.errors import InvalidValueError


@dataclass(frozen=True, slots=True)
class UpkeepConfig:
    """Settings of upkeep.

    every_s: time from the start of a pass to the start of the next.
    many_fragments: number of small fragments of a table from which on they are joined.
    keep_versions: how long the files of a version are kept after it was replaced, for readers that have opened it. The
        number of files of a live lake depends on it.
    join_after_s: the ledger's rows of a recording are joined when none was added for this time, so that readers that
        follow the ledger row by row have seen them.
    index_rows: number of rows from which on frames, regions and patches get an index on `source_id`; smaller tables
        are read as fast without.
    max_age: recordings that ended earlier, and files that were ingested earlier, are removed; of each feed the newest
        stays, unless the feed was removed from the file of feeds.
    max_bytes_per_feed: limit above which the oldest recordings of a feed are removed; its newest recording, and files,
        are never removed by it. Bytes are estimated from counts of rows.
    video_max_age, video_max_bytes: limits of the video that is kept of each feed (pipeline/ring), whatever rows it has.
    video_moving_max_age: older video stays for so long where something moves around it, as the lake's rows show.
    remove_at_once: number of sources removed in one step, during which commits wait.
    remove_share: what a pass would remove of a feed is held back if it is more than this share of the feed's recordings
        or bytes; with 1 nothing is. Files that are in no followed folder count as one feed.
    clock_tolerance: a wall clock that jumped further since the last pass is not trusted.
    """

    every_s: float = 60.0
    many_fragments: int = MANY_FRAGMENTS
    keep_versions: timedelta = KEEP_VERSIONS
    join_after_s: float = 300.0
    index_rows: int = 1_000_000
    max_age: timedelta | None = None
    max_bytes_per_feed: int | None = None
    video_max_age: timedelta | None = None
    video_max_bytes: int | None = None
    video_moving_max_age: timedelta | None = None
    remove_at_once: int = 16
    remove_share: float = 0.5
    clock_tolerance: timedelta = timedelta(minutes=5)

    def __post_init__(self) -> None:
        require.above(0, every_s=self.every_s, max_bytes_per_feed=self.max_bytes_per_feed)
        require.above(0, video_max_bytes=self.video_max_bytes)
        require.at_least(0, join_after_s=self.join_after_s)
        require.at_least(2, many_fragments=self.many_fragments)
        require.at_least(1, index_rows=self.index_rows, remove_at_once=self.remove_at_once)
        require.at_least(timedelta(0), keep_versions=self.keep_versions)
        require.above(
            timedelta(0), max_age=self.max_age, video_max_age=self.video_max_age, clock_tolerance=self.clock_tolerance
        )
        require.within("(0, 1]", remove_share=self.remove_share)
        if self.video_moving_max_age is not None:
            if self.video_max_age is None or self.video_moving_max_age <= self.video_max_age:
                raise InvalidValueError(
                    "video_moving_max_age is for video that is older than video_max_age: give that too, and shorter"
                )
            if self.max_age is not None and self.video_moving_max_age > self.max_age:
                raise InvalidValueError(
                    "rows of the lake show where something moves: video_moving_max_age must not exceed max_age, got "
                    f"{self.video_moving_max_age} and {self.max_age}"
                )
