"""Faults that were mended, as they were: each is put back for a while, so that a test shows that schedules find it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from pipeline.lake.upkeep import upkeep as upkeep_module
from pipeline.lake.writing import removal
from pipeline.lake.writing.committer import Committer
from pipeline.lake.writing.upkeep_changes import Removal, UpkeepChanges
from pipeline.live.commits.batch_commits import BatchCommits
from schemas.errors import LakeError
from schemas.sources import Source

_ENTRY = Committer._entry


def _commit_for_ever(self: BatchCommits, batch: Any, following: Any) -> list[Any]:
    """Whatever the lake refuses is tried again."""
    del following
    self._write(batch)
    return []


def _entry_of_own_plan(self: Committer, source: Source, plan: str) -> Any:
    """Rows of any other plan than the writer's raise the error of a lake out of reach."""
    if not self.plan.is_of(plan):
        raise LakeError(f"rows of {source.uri} were made by plan {plan}; ingest it with one plan")
    return _ENTRY(self, source, plan)


def _remove_without_reading_again(
    self: UpkeepChanges, source_ids: Sequence[str], choose: Callable[[], Removal]
) -> Removal:
    """The pins are read before the sources are marked, and not after."""
    chosen = choose()
    with self._state.change() as sources:
        whole = [name for name in chosen.whole if name in source_ids and name in sources]
        removal.mark(self._state.tables, whole)
        removal.finish_removals(self._state.tables, whole)
        for name in whole:
            del sources[name]
        return Removal(tuple(whole))


_PATCHES: dict[str, tuple[tuple[object, str, object], ...]] = {
    "refused batches are tried for ever": ((BatchCommits, "_commit", _commit_for_ever),),
    "rows of an earlier plan are not committed": ((Committer, "_entry", _entry_of_own_plan),),
    "pins are read before the removal alone": ((UpkeepChanges, "remove_unless_pinned", _remove_without_reading_again),),
    "the wall clock is trusted": ((upkeep_module, "jump", lambda *_, **__: None),),
}
FAULTS = tuple(_PATCHES)


@contextmanager
def put_back(fault: str) -> Iterator[None]:
    """Puts one of FAULTS back for the block."""
    with _all([patch.object(owner, name, new) for owner, name, new in _PATCHES[fault]]):
        yield


@contextmanager
def _all(patches: Sequence[Any]) -> Iterator[None]:
    if not patches:
        yield
        return
    with patches[0], _all(patches[1:]):
        yield
