"""What upkeep does to a lake, and how often."""

from dataclasses import dataclass
from datetime import timedelta

from pipeline.lake.upkeep.compaction import KEEP_VERSIONS, MANY_FRAGMENTS
from schemas import require


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
        require.above(0, every_s=self.every_s, max_bytes_per_feed=self.max_bytes_per_feed)
        require.at_least(0, join_after_s=self.join_after_s)
        require.at_least(2, many_fragments=self.many_fragments)
        require.at_least(1, index_rows=self.index_rows, remove_at_once=self.remove_at_once)
        require.at_least(timedelta(0), keep_versions=self.keep_versions)
        require.above(timedelta(0), max_age=self.max_age)
