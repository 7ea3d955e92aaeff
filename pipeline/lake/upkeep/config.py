"""What upkeep does to a lake, and how often."""

from dataclasses import dataclass
from datetime import timedelta

from pipeline.lake.upkeep.compaction import KEEP_VERSIONS, MANY_FRAGMENTS
from schemas.errors import PlanError


@dataclass(frozen=True, slots=True)
class UpkeepConfig:
    """every_s: from the begin of a pass to that of the next.
    many_fragments: small ones of a table from which on they are joined.
    keep_versions: for how long a reader may go on with what it opened, counted from when it was replaced. Until then
        its files stay: they bound the files of a live lake.
    join_after_s: the ledger's rows of a recording are joined when none was added for so long, so that whoever follows
        the ledger row by row has seen them.
    index_rows: tables of frames, regions and patches that have so many rows get an index on `source_id`; fewer are read
        as fast without.
    max_age: what is older is removed: recordings of feeds by when they ended, files by when they were ingested.
    max_bytes_per_feed: the oldest recordings beyond it are removed; the newest of each feed always stays, and so does a
        file. Bytes are estimated from counts of rows.
    remove_at_once: sources removed in one step, while which no commit gets in.
    """

    every_s: float = 60.0
    many_fragments: int = MANY_FRAGMENTS
    keep_versions: timedelta = KEEP_VERSIONS
    join_after_s: float = 300.0
    index_rows: int = 1_000_000
    max_age: timedelta | None = None
    max_bytes_per_feed: int | None = None
    remove_at_once: int = 16

    def __post_init__(self) -> None:
        if self.every_s <= 0 or self.join_after_s < 0 or self.keep_versions < timedelta(0):
            raise PlanError(f"upkeep needs every_s > 0, join_after_s >= 0 and keep_versions >= 0, got {self}")
        if self.many_fragments < 2 or self.index_rows < 1 or self.remove_at_once < 1:
            raise PlanError(
                f"upkeep needs many_fragments of 2 and index_rows and remove_at_once of 1 at least, got {self}"
            )
        if self.max_age is not None and self.max_age <= timedelta(0):
            raise PlanError(f"max_age must be positive, got {self.max_age}; leave it out to keep everything")
        if self.max_bytes_per_feed is not None and self.max_bytes_per_feed <= 0:
            raise PlanError(
                f"max_bytes_per_feed must be positive, got {self.max_bytes_per_feed}; leave it out to keep everything"
            )
