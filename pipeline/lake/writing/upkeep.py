"""Keeps a lake quick to read: joins small fragments, and forgets versions that nobody reads any more."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pipeline.lake.lake import Lake, lake_errors
from schemas.tables import TABLE_NAMES, TableName

FRAGMENT_BYTES = 128 * 2**20  # a scan of a fragment then costs far more than opening it
MANY_FRAGMENTS = 64
BYTES_AT_ONCE = 512 * 2**20  # what one compaction may rewrite: a few seconds at the end of an ingest
KEEP_VERSIONS = timedelta(hours=1)  # a reader refreshes far more often


@dataclass(frozen=True, slots=True)
class Compaction:
    """Fragments of a table before and after."""

    table: TableName
    before: int
    after: int


def compact(lake: Lake, *, many: int = MANY_FRAGMENTS, keep: timedelta = KEEP_VERSIONS) -> tuple[Compaction, ...]:
    """Joins the fragments of each table that has at least `many` small ones, and deletes versions older than `keep`.

    Fragments are sized by bytes: a row of `patches` weighs a thousand times one of `shots`. One call rewrites at
    most BYTES_AT_ONCE a table. Call it through Committer.compact(), which holds the writer's lock.
    """
    done = []
    for name in TABLE_NAMES:
        with lake_errors(f"compacting {name} of {lake.uri}"):
            data = lake.table(name).to_lance()
            fragments = data.get_fragments()
            # full fragments are left alone: the mean row changes a little, and with it what counts as full
            if sum(_bytes(fragment) < FRAGMENT_BYTES // 2 for fragment in fragments) < many:
                continue
            data.optimize.compact_files(
                target_rows_per_fragment=max(1, int(FRAGMENT_BYTES / _row_bytes(data))),
                max_source_bytes=BYTES_AT_ONCE,
            )
            data.cleanup_old_versions(older_than=keep)
            done.append(Compaction(name, len(fragments), len(lake.table(name).to_lance().get_fragments())))
    return tuple(done)


def _bytes(fragment: Any) -> int:
    return sum(file.file_size_bytes or 0 for file in fragment.metadata.files)


def _row_bytes(data: Any) -> float:
    """Mean size of a row on disk."""
    rows: int = data.count_rows()
    return max(1.0, sum(map(_bytes, data.get_fragments())) / max(1, rows))
