"""The changes that upkeep makes in a lake, one after the other with the commits."""

import threading
from collections.abc import Mapping, Sequence

from pipeline.lake.upkeep.compaction import MANY_FRAGMENTS, Compaction, compact
from pipeline.lake.writing import removal
from pipeline.lake.writing.ledger_state import LedgerState
from schemas.clock import Span


class UpkeepChanges:
    """Removes sources or parts of them, and joins rows and fragments; each call is one change of the lake.

    turn: lock that is held during each change; other code of this process that changes the tables must hold it, too.
    Every method may be called again with the same arguments. All raise LakeError if the storage fails.
    """

    def __init__(self, state: LedgerState) -> None:
        self._state = state
        self.turn: threading.RLock = state.turn

    def remove_sources(self, source_ids: Sequence[str]) -> None:
        """Removes these sources from the lake, so that they can be ingested again."""
        with self._state.change() as sources:
            removal.remove_sources(self._state.tables, source_ids)
            for source_id in source_ids:
                sources.pop(source_id, None)

    def keep_only(self, kept: Mapping[str, Sequence[Span]]) -> None:
        """Removes the rows of each of these complete sources, by id, outside its spans, which begin and end with shots.

        The rest becomes `removed` in the ledger, so that it is not ingested again.
        """
        with self._state.change() as sources:
            kept = {name: kept[name] for name in sources.complete(kept)}
            removal.keep_only(self._state.lake, self._state.tables, kept)
            self._state.reload(list(kept))

    def ledger_rows(self) -> dict[str, int]:
        """Number of rows in the ledger of each complete recording of a feed."""
        with self._state.reading() as sources:
            return sources.ledger_rows()

    def join_ledger(self, source_ids: Sequence[str]) -> int:
        """Joins neighbouring rows of the ledger, of complete sources; returns by how many rows it became shorter."""
        with self._state.change() as sources:
            source_ids = sources.complete(source_ids)
            fewer = removal.join_ledger(self._state.lake, self._state.tables, source_ids)
            self._state.reload(source_ids)
            return fewer

    def compact(self, *, many: int = MANY_FRAGMENTS) -> tuple[Compaction, ...]:
        """Joins small fragments of the tables that have at least `many`; readers are not affected."""
        with self._state.reading():
            return compact(self._state.lake, many=many)
