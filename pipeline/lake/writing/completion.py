"""Completes sources of which all segments are done: writes their shots, their tracks, how long their regions are
valid, and the state `complete`."""

from collections.abc import Iterable

from operators.tracking.links import Linker
from pipeline.lake.ledger import shots_table, sources_table
from pipeline.lake.writing.fold_shots import FoldShots, fold_sources
from pipeline.lake.writing.ledger_state import LedgerState
from pipeline.lake.writing.tracks import NewTracker, write_tracks
from pipeline.lake.writing.validity import GRID_S, write_validity


class Completion:
    """Completes sources under one plan.

    fold_shots: (source, its cut events in order, first PTS, last PTS) → its shots.
    new_tracker: makes a tracker for the regions of one source; None writes no tracks.
    linker: carries masks from keyframe to keyframe for the tracker.
    grid_s: see pipeline/lake/writing/validity.py.
    """

    def __init__(
        self,
        fold_shots: FoldShots,
        *,
        new_tracker: NewTracker | None,
        linker: Linker | None,
        grid_s: float = GRID_S,
    ) -> None:
        self._fold_shots = fold_shots
        self._new_tracker = new_tracker
        self._linker = linker
        self.grid_s = grid_s

    def complete(self, state: LedgerState, source_ids: Iterable[str]) -> None:
        """Completes those of the sources that are covered; the others stay open."""
        with state.reading() as sources:
            covered = [name for name in source_ids if sources[name].state == "open" and sources[name].covered()]
            if covered:
                self._write(state, covered)

    def _write(self, state: LedgerState, covered: list[str]) -> None:
        with state.change() as sources:
            shots = fold_sources(state.lake, {name: sources[name] for name in covered}, self._fold_shots)
            covered = [name for name in covered if name in shots]
            state.tables.append(
                "shots", shots_table([(source, shot) for source, found in shots.values() for shot in found])
            )
            if self._new_tracker is not None:
                videos = {name: found for name, (source, found) in shots.items() if source.kind != "picture"}
                write_tracks(state.lake, videos, self._new_tracker, linker=self._linker)
            write_validity(state.lake, {name: shots[name][0] for name in covered}, grid_s=self.grid_s)
            entries = [sources[name] for name in covered]
            state.tables.upsert(
                "sources", sources_table([(e.source, e.plan, "complete") for e in entries if e.source is not None])
            )
            for entry in entries:
                entry.state = "complete"
