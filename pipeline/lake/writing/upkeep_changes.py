"""What upkeep changes in a lake, in turn with the commits."""

import threading
from collections.abc import Mapping, Sequence

from pipeline.lake.upkeep.compaction import MANY_FRAGMENTS, Compaction, compact
from pipeline.lake.writing import removal
from pipeline.lake.writing.ledger_state import LedgerState
from schemas.clock import Span


class UpkeepChanges:
    """Removes sources or stretches of them, and joins rows and fragments; each call is one change of the lake.

    turn: held while one is made; whoever else changes the lake's tables from this process holds it meanwhile.
    Every method may be called again with the same arguments. All raise LakeError where the storage refuses.
    """

    def __init__(self, state: LedgerState) -> None:
        self._state = state
        self.turn: threading.RLock = state.turn

    def remove_sources(self, source_ids: Sequence[str]) -> None:
        """Takes these sources out of the lake, so that they can be ingested anew."""
        with self._state.change() as sources:
            removal.remove_sources(self._state.tables, source_ids)
            for source_id in source_ids:
                sources.pop(source_id, None)

    def keep_only(self, kept: Mapping[str, Sequence[Span]]) -> None:
        """Of each of these complete sources, by id, what lies in the spans, which begin and end with shots of it.

        The rest is `removed` in the ledger: it is not asked for again.
        """
        with self._state.change() as sources:
            kept = {name: kept[name] for name in sources.complete(kept)}
            removal.keep_only(self._state.lake, self._state.tables, kept)
            self._state.reload(list(kept))

    def ledger_rows(self) -> dict[str, int]:
        """How many rows the ledger has of each recording of a feed that is complete."""
        with self._state.reading() as sources:
            return sources.ledger_rows()

    def join_ledger(self, source_ids: Sequence[str]) -> int:
        """Makes one row of the ledger of neighbours that are done, of complete sources; returns how many fewer."""
        with self._state.change() as sources:
            source_ids = sources.complete(source_ids)
            fewer = removal.join_ledger(self._state.lake, self._state.tables, source_ids)
            self._state.reload(source_ids)
            return fewer

    def compact(self, *, many: int = MANY_FRAGMENTS) -> tuple[Compaction, ...]:
        """Joins small fragments of the tables that have at least `many`; readers are not disturbed."""
        with self._state.reading():
            return compact(self._state.lake, many=many)
