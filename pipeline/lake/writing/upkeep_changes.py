"""The changes that upkeep makes in a lake, one after the other with the commits."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.lake.upkeep.compaction import MANY_FRAGMENTS, Compaction, compact
from pipeline.lake.writing import removal
from pipeline.lake.writing.ledger_state import LedgerState
from pipeline.lake.writing.validity import end_validity
from schemas.clock import Span
from schemas.errors import LakeError


@dataclass(frozen=True, slots=True)
class Removal:
    """What to remove of some sources, by id.

    whole: sources to remove with all their rows. kept: sources to cut, with the spans that stay, which begin and end
    with shots. The rest of a cut source becomes `removed` in the ledger, so that it is not ingested again.
    """

    whole: tuple[str, ...] = ()
    kept: Mapping[str, Sequence[Span]] = field(default_factory=dict)


class UpkeepChanges:
    """Removes sources or parts of them, and joins rows and fragments; each call is one change of the lake.

    turn: lock that is held during each change; other code of this process that changes the tables must hold it, too.
    stepping: lock that is held during each step of a pass of upkeep: two passes may run in one process.
    Every method may be called again with the same arguments. All raise LakeError if the storage fails.
    """

    def __init__(self, state: LedgerState) -> None:
        self._state = state
        self.turn: threading.RLock = state.turn
        self.stepping = threading.Lock()

    def remove_sources(self, source_ids: Sequence[str]) -> None:
        """Removes these sources from the lake, pinned or not, so that they can be ingested again."""
        with self._state.change() as sources:
            removal.mark(self._state.tables, source_ids)
            removal.finish_removals(self._state.tables, source_ids)
            for source_id in source_ids:
                sources.pop(source_id, None)

    def remove_unless_pinned(self, source_ids: Sequence[str], choose: Callable[[], Removal]) -> Removal:
        """Marks these sources as `removing`, then removes what `choose` returns, and takes the other marks back.

        choose: reads the pins. Whoever pins a source writes the pin and reads the mark after that: so `choose`, which
        is called after the marks were written, sees the pin, or whoever pins sees the mark.
        Returns what was removed; sources that are cut are complete.
        """
        with self._state.change() as sources:
            source_ids = [name for name in source_ids if name in sources]
            removal.mark(self._state.tables, source_ids)
            chosen = choose()
            whole = [name for name in chosen.whole if name in source_ids]
            kept = {name: chosen.kept[name] for name in sources.complete(chosen.kept) if name in source_ids}
            spared = {name: sources[name].state for name in source_ids if name not in whole and name not in kept}
            removal.unmark(self._state.tables, spared)
            removal.keep_only(self._state.lake, self._state.tables, kept)
            self._state.reload(list(kept))
            removal.finish_removals(self._state.tables, whole)
            for source_id in whole:
                del sources[source_id]
            return Removal(tuple(whole), kept)

    def erase(self, whole: Sequence[str], cuts: Mapping[str, Span], *, pinned: Callable[[], Collection[str]]) -> None:
        """Removes sources, by id, and a span of others, which becomes `removed` in the ledger.

        pinned: returns ids of pinned sources that must stay, if they are among these; called after all of them were
        marked (see `remove_unless_pinned`). Raises LakeError if there are any, and nothing is removed.
        """
        with self._state.change() as sources:
            before = {name: sources[name].state for name in (*whole, *cuts) if name in sources}
            removal.mark(self._state.tables, [name for name in before if name not in cuts])
            removal.mark(self._state.tables, [name for name in before if name in cuts], in_part=True)
            late = sorted(sources[name].uri for name in set(pinned()) & before.keys())
            if late:
                removal.unmark(self._state.tables, before)
                raise LakeError(f"{', '.join(late)} was pinned meanwhile; nothing was removed")
            known = {name: (sources[name].source, span) for name, span in cuts.items() if name in before}
            plans = {name: sources[name].plan for name in known}
            spans = {name: (source, span) for name, (source, span) in known.items() if source is not None}
            # first: a kill after the next step must leave no region that says what was there
            end_validity(self._state.lake, {name: span.start for name, (_, span) in spans.items()})
            removal.cut_out(self._state.lake, self._state.tables, spans, plans=plans)
            removal.unmark(self._state.tables, {name: before[name] for name in spans})
            removal.finish_cuts(self._state.lake, self._state.tables, list(spans))
            self._state.reload(list(spans))
            going = [name for name in whole if name in before]
            removal.finish_removals(self._state.tables, going)
            for name in going:
                del sources[name]

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
