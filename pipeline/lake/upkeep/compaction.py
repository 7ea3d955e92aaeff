"""Joins small fragments of a lake's tables, and deletes old versions that no reader needs any more."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from lance.optimize import Compaction as LanceCompaction
from lance.optimize import CompactionOptions, RewriteResult

from pipeline.lake.durability import Staged
from pipeline.lake.lake import Lake, lake_errors
from pipeline.runtime.time_source import REAL_TIME
from schemas.tables import TableName

MANY_FRAGMENTS = 64
# A reader opens the newest version of a table for each read. The longest read is that of a starting searcher: ten
# million regions are 12 GB, which take less than this at 40 MB/s. If its version is deleted meanwhile, it raises
# LakeError, and the next try reads the newest version. Each minute costs a live lake with a commit a second 730 files.
KEEP_VERSIONS = timedelta(minutes=5)
Turn = AbstractContextManager[object]  # may be entered again and again
_NOBODY_WAITS: Turn = nullcontext()
_DEAD = 0.5  # a fragment is rewritten once this share of its rows is deleted
_AT_ONCE_BYTES = 4 * 2**20  # fewer bytes are rewritten while commits wait, which takes some 50 ms


@dataclass(frozen=True, slots=True)
class Tier:
    """Fragments of `least` to half of `full` bytes are joined into fragments of `full` bytes, once there are `many`.

    There are two tiers: the fragments that a feed adds every second are first joined into fragments that cost little to
    rewrite, and a row is rewritten two or three times in all until its fragment is so large that opening it is cheap.
    """

    least: int
    full: int
    many: int


TIERS = (Tier(0, 8 * 2**20, MANY_FRAGMENTS), Tier(4 * 2**20, 128 * 2**20, 16))


@dataclass(frozen=True, slots=True)
class Compaction:
    """Number of fragments of a table before and after a compaction."""

    table: TableName
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class VersionsForgotten:
    """Number of deleted versions of a table, and the bytes that this freed."""

    versions: int
    bytes: int


def compact(lake: Lake, *, many: int = MANY_FRAGMENTS, keep: timedelta = KEEP_VERSIONS) -> tuple[Compaction, ...]:
    """Joins the fragments of each table that has at least `many` small ones, and calls `forget_versions` on it.

    Call it through `Committer.upkeep.compact()`, which holds the writer's lease.
    """
    done = []
    for name in lake.names:
        before = fragments(lake, name)
        if sum(compaction_steps(lake, name, many=many)):
            forget_versions(lake, name, keep=keep)
            done.append(Compaction(name, before, fragments(lake, name)))
    return tuple(done)


def compaction_steps(
    lake: Lake,
    name: TableName,
    *,
    many: int = MANY_FRAGMENTS,
    turn: Turn = _NOBODY_WAITS,
) -> Iterator[bool]:
    """Joins small fragments of a table, one new fragment per step; yields after each step whether it was written.

    Sizes are in bytes: a row of `patches` has a thousand times the bytes of a row of `shots`. A step writes one
    fragment of at most the tier's size; `turn` is held while the table is changed, which takes milliseconds. If the
    same fragments were changed during a step, its fragment is not written, and the next call tries again.
    many: number of small fragments from which on those of the first tier are joined.
    """
    for tier in TIERS:
        wanted = many if tier is TIERS[0] else tier.many
        with lake_errors(f"looking at the fragments of {name} of {lake.uri}", lake=lake.uri):
            data = lake.dataset(name)
            if not _is_due(data, tier, wanted):
                continue
            steps = _plan(data, tier).num_tasks()
        for _ in range(steps):
            with lake_errors(f"compacting {name} of {lake.uri}", lake=lake.uri):
                yield _compact_once(lake, name, tier, turn)


def forget_versions(lake: Lake, name: TableName, *, keep: timedelta, now: datetime | None = None) -> VersionsForgotten:
    """Deletes versions of a table that were replaced at least `keep` ago, and the files that only they need.

    The time of replacement counts, not the version's age: in a quiet lake the newest version is hours old, and somebody
    may be reading it when it is replaced. now: UTC; the machine's clock by default.
    """
    with lake_errors(f"forgetting old versions of {name} of {lake.uri}", lake=lake.uri):
        data = lake.dataset(name)
        latest = (now or REAL_TIME.utc()) - keep
        versions = sorted(data.versions(), key=_number)
        replaced = [_number(version) for version, next_one in pairwise(versions) if _made(next_one) <= latest]
        if not replaced:
            return VersionsForgotten(0, 0)
        lake.make_durable(name)  # what is deleted is replaced by what is on the disk
        found = data.cleanup_old_versions(versions=replaced)
    return VersionsForgotten(found.old_versions, found.bytes_removed)


def fragments(lake: Lake, name: TableName) -> int:
    with lake_errors(f"looking at the fragments of {name} of {lake.uri}", lake=lake.uri):
        return len(lake.dataset(name).get_fragments())


def fragment_bytes(fragment: Any) -> int:
    """Bytes of a Lance fragment on disk."""
    return sum(file.file_size_bytes or 0 for file in fragment.metadata.files)


def _number(version: Mapping[str, Any]) -> int:
    return int(version["version"])


def _made(version: Mapping[str, Any]) -> datetime:
    made: datetime = version["timestamp"]
    # naive local time: fold=1 takes the later of the hours that autumn repeats
    return made.replace(fold=1).astimezone(UTC)


def _is_due(data: Any, tier: Tier, many: int) -> bool:
    small = 0
    for fragment in data.get_fragments():
        # fragments of half the size and more are not joined: the mean row, and so the target size, varies a little
        small += tier.least <= fragment_bytes(fragment) < tier.full // 2
        if fragment_bytes(fragment) > _AT_ONCE_BYTES and fragment.num_deletions > _DEAD * fragment.physical_rows:
            return True
    return small >= many


def _plan(data: Any, tier: Tier) -> Any:
    options = CompactionOptions(
        target_rows_per_fragment=max(1, int(tier.full / _row_bytes(data))),
        materialize_deletions_threshold=_DEAD,
        num_threads=1,  # the other cores are for queries and models
    )
    return LanceCompaction.plan(data, options)


def _compact_once(lake: Lake, name: TableName, tier: Tier, turn: Turn) -> bool:
    with turn:
        data = lake.table(name).to_lance()
        tasks = _plan(data, tier).tasks
        if not tasks:
            return False
        if sum(sum(file.file_size_bytes or 0 for file in f.files) for f in tasks[0].fragments) < _AT_ONCE_BYTES:
            lake.durability.commit([_staged(lake, name, data, tasks[0].execute(data))])
            return True
    rewritten = tasks[0].execute(data)
    lake.durability.sync_data([_staged(lake, name, data, rewritten)])  # most of it, without holding `turn`
    with turn:
        try:
            lake.durability.commit([_staged(lake, name, data, rewritten)])
        except OSError as error:
            if "commit conflict" not in str(error):
                raise
            return False
    return True


def _staged(lake: Lake, name: TableName, data: Any, rewritten: RewriteResult) -> Staged:
    """New fragments in place of the old ones, whose files stay until their version is forgotten."""

    def commit() -> Any:
        LanceCompaction.commit(data, [rewritten])
        return lake.dataset(name)

    return Staged(name, rewritten.new_fragments, commit)


def _row_bytes(data: Any) -> float:
    """Mean bytes of a row on disk."""
    rows: int = data.count_rows()
    return max(1.0, sum(map(fragment_bytes, data.get_fragments())) / max(1, rows))
