"""Joins small fragments of a lake's tables, and forgets versions that nobody reads any more."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from lance.optimize import Compaction as LanceCompaction
from lance.optimize import CompactionOptions

from pipeline.lake.lake import Lake, lake_errors
from pipeline.runtime.time_source import REAL_TIME
from schemas.tables import TableName

MANY_FRAGMENTS = 64
# A reader opens a table anew for each read. The longest is that of a searcher which begins: ten million regions are
# 12 GB, which take less than this at 40 MB/s; one that is overtaken raises LakeError, and the next try reads what is
# newest then. Each minute of it costs a live lake that commits once a second 730 files.
KEEP_VERSIONS = timedelta(minutes=5)
Turn = AbstractContextManager[object]  # may be entered again and again
_NOBODY_WAITS: Turn = nullcontext()
_DEAD = 0.5  # share of a fragment's rows that are deleted from which on it is written anew
_AT_ONCE_BYTES = 4 * 2**20  # so little is rewritten without letting a commit in: it takes some 50 ms


@dataclass(frozen=True, slots=True)
class Tier:
    """Fragments of `least` to half of `full` bytes are joined until they hold `full`, once there are `many`.

    Two tiers: what a feed adds every second is first joined to what costs little to write again, and a row is
    rewritten two or three times in all before it lies in a fragment that a scan opens for next to nothing.
    """

    least: int
    full: int
    many: int


TIERS = (Tier(0, 8 * 2**20, MANY_FRAGMENTS), Tier(4 * 2**20, 128 * 2**20, 16))


@dataclass(frozen=True, slots=True)
class Compaction:
    """Fragments of a table before and after."""

    table: TableName
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class VersionsForgotten:
    """How many versions of a table, and what their files held."""

    versions: int
    bytes: int


def compact(lake: Lake, *, many: int = MANY_FRAGMENTS, keep: timedelta = KEEP_VERSIONS) -> tuple[Compaction, ...]:
    """Joins the fragments of each table that has at least `many` small ones, and forgets versions as `forget_versions`.

    Call it through `Committer.upkeep.compact()`, which holds the writer's lock.
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
    """Joins what should be joined of a table, a fragment a step; says at each whether it was.

    Fragments are sized by bytes: a row of `patches` weighs a thousand times one of `shots`. A step writes one
    fragment, which is at most as large as the tier's; `turn` is held while the table is changed, which takes
    milliseconds. A step that a change of the same fragments came before is left to the next call.
    many: of the first tier.
    """
    for tier in TIERS:
        wanted = many if tier is TIERS[0] else tier.many
        with lake_errors(f"looking at the fragments of {name} of {lake.uri}"):
            data = lake.dataset(name)
            if not _is_due(data, tier, wanted):
                continue
            steps = _plan(data, tier).num_tasks()
        for _ in range(steps):
            with lake_errors(f"compacting {name} of {lake.uri}"):
                yield _compact_once(lake, name, tier, turn)


def forget_versions(lake: Lake, name: TableName, *, keep: timedelta, now: datetime | None = None) -> VersionsForgotten:
    """Deletes what only versions need that were replaced at least `keep` ago.

    By when they were replaced, not by their age: in a quiet lake the newest is hours old, and somebody may be reading
    it when it is replaced. now: UTC, that of the machine unless given.
    """
    with lake_errors(f"forgetting old versions of {name} of {lake.uri}"):
        data = lake.dataset(name)
        latest = (now or REAL_TIME.utc()) - keep
        versions = sorted(data.versions(), key=_number)
        replaced = [_number(version) for version, next_one in pairwise(versions) if _made(next_one) <= latest]
        if not replaced:
            return VersionsForgotten(0, 0)
        found = data.cleanup_old_versions(versions=replaced)
    return VersionsForgotten(found.old_versions, found.bytes_removed)


def fragments(lake: Lake, name: TableName) -> int:
    with lake_errors(f"looking at the fragments of {name} of {lake.uri}"):
        return len(lake.dataset(name).get_fragments())


def fragment_bytes(fragment: Any) -> int:
    """On disk, of a Lance fragment."""
    return sum(file.file_size_bytes or 0 for file in fragment.metadata.files)


def _number(version: Mapping[str, Any]) -> int:
    return int(version["version"])


def _made(version: Mapping[str, Any]) -> datetime:
    made: datetime = version["timestamp"]
    return made.replace(fold=1).astimezone(UTC)  # naive: of the hour that autumn repeats, the later keeps it longer


def _is_due(data: Any, tier: Tier, many: int) -> bool:
    small = 0
    for fragment in data.get_fragments():
        # full fragments are left alone: the mean row changes a little, and with it what counts as full
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
            LanceCompaction.commit(data, [tasks[0].execute(data)])
            return True
    rewritten = tasks[0].execute(data)
    with turn:
        try:
            LanceCompaction.commit(data, [rewritten])
        except OSError as error:
            if "commit conflict" not in str(error):
                raise
            return False
    return True


def _row_bytes(data: Any) -> float:
    """Mean size of a row on disk."""
    rows: int = data.count_rows()
    return max(1.0, sum(map(fragment_bytes, data.get_fragments())) / max(1, rows))
