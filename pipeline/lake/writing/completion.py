"""Completes sources of which all segments are done: writes their shots, their tracks, how long their regions are
valid, and the state `complete`; each under the plan that made its rows, which may be that of an earlier writer."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from operators.tracking.links import Linker
from pipeline.lake.lake import Lake
from pipeline.lake.ledger import SourceEntry, load_cut_events, shots_table, sources_table
from pipeline.lake.plans import read_plans
from pipeline.lake.writing.ledger_state import LedgerState
from pipeline.lake.writing.repeats import CompletedSource, delete_repeats, mark_repeats
from pipeline.lake.writing.tracks import NewTracker, write_tracks
from pipeline.lake.writing.validity import GRID_S, write_validity
from pipeline.plan.stored_plan import StoredPlan
from schemas.shots import CutEvent, Shot
from schemas.sources import Source

FoldShots = Callable[[Source, Sequence[CutEvent], int, int], list[Shot]]
_log = logging.getLogger(__name__)


def no_shots(source: Source, *_: object) -> list[Shot]:
    """The `fold_shots` of a writer without a plan, which completes no source itself."""
    raise AssertionError(f"a source is completed under the plan that made it, got {source.uri}")


def fold_sources(
    lake: Lake, entries: Mapping[str, SourceEntry], fold: FoldShots
) -> dict[str, tuple[Source, list[Shot]]]:
    """The shots of each covered source, by source id; no shots if no frame was decoded.

    A source whose shots cannot be computed is missing in the result, and the error is logged: it stays open, and the
    other sources can be completed.
    """
    events = load_cut_events(lake, list(entries))
    shots: dict[str, tuple[Source, list[Shot]]] = {}
    for name, entry in entries.items():
        assert entry.source is not None  # covered() is False without a source
        done = [s for s in entry.segments.values() if s.state == "done"]
        firsts = [s.first_pts for s in done if s.first_pts is not None]
        lasts = [s.last_pts for s in done if s.last_pts is not None]
        found: list[Shot] = []
        if firsts:
            try:
                found = fold(entry.source, events[name], min(firsts), max(lasts))
            except Exception:
                _log.exception("the shots of %s cannot be computed; it stays open", entry.uri)
                continue
        removed = entry.spans("removed")  # a part may be forgotten before the rest has been read
        shots[name] = entry.source, [replace(s, span=part) for s in found for part in s.span.minus(removed)]
    return shots


class Completion:
    """Completes sources under one plan.

    fold_shots: (source, its cut events in order, first PTS, last PTS) → its shots.
    new_tracker: makes a tracker for the regions of one source; None writes no tracks.
    linker: carries masks from keyframe to keyframe for the tracker.
    grid_s: see pipeline/lake/writing/validity.py. store_once: see pipeline/lake/writing/repeats.py.
    """

    def __init__(
        self,
        fold_shots: FoldShots,
        *,
        new_tracker: NewTracker | None,
        linker: Linker | None,
        grid_s: float = GRID_S,
        store_once: bool = False,
    ) -> None:
        self._fold_shots = fold_shots
        self._new_tracker = new_tracker
        self._linker = linker
        self.grid_s = grid_s
        self.store_once = store_once

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
            # of a picture nothing is repeated; thousands of them are read together
            once = {
                name: CompletedSource(*shots[name], done=sources[name].spans("done"))
                for name in covered
                if self.store_once and shots[name][0].kind != "picture"
            }
            mark_repeats(state.lake, state.tables, once, grid_s=self.grid_s)
            others = {name: shots[name][0] for name in covered if name not in once}
            write_validity(state.lake, others, grid_s=self.grid_s)
            entries = [sources[name] for name in covered]
            state.tables.upsert(
                "sources", sources_table([(e.source, e.plan, "complete") for e in entries if e.source is not None])
            )
            for entry in entries:
                entry.state = "complete"
            delete_repeats(state.lake, state.tables, [*once])


CompletionOf = Callable[[StoredPlan], Completion | None]


class Completions:
    """The completions of a writer's own plan and of the others that it meets.

    own: for the writer's plan, and for plans that the lake does not store (those of 0.1.0). plan: the writer's.
    completion_of: for any other plan; None where it cannot be followed: its sources stay open. By default, `own`.
    """

    def __init__(
        self, own: Completion, completion_of: CompletionOf | None, *, plan: StoredPlan | None, lake: Lake
    ) -> None:
        self._own = own
        self._plan = plan
        self._completion_of = completion_of
        self._lake = lake
        self._plans: dict[str, StoredPlan] = {}  # by hash, those that are not the writer's
        self._others: dict[str, Completion | None] = {}  # by hash

    def learn(self, plan: StoredPlan | None) -> None:
        """Remembers a plan that the lake may not store yet."""
        if plan is not None:
            self._plans[plan.hash] = plan

    def plan_of(self, hash: str) -> StoredPlan | None:
        """The plan with this hash: the writer's, one that it learned, or one that the lake stores."""
        if self._plan is not None and self._plan.is_of(hash):
            return self._plan
        if hash not in self._plans:
            self._plans |= read_plans(self._lake)
        return self._plans.get(hash)

    def complete(self, state: LedgerState, source_ids: Iterable[str]) -> None:
        """Completes those of the sources that are covered; the others stay open."""
        by_plan: defaultdict[str, list[str]] = defaultdict(list)
        with state.reading() as sources:
            for name in source_ids:
                by_plan[sources[name].plan].append(name)
            for plan, names in by_plan.items():
                completion = self._of(plan)
                if completion is not None:
                    completion.complete(state, names)

    def _of(self, hash: str) -> Completion | None:
        if self._completion_of is None:
            return self._own
        if hash not in self._others:
            plan = self.plan_of(hash)
            if plan is None or plan is self._plan:
                self._others[hash] = self._own if self._plan is not None else None
            else:
                self._others[hash] = self._completion_of(plan)
        return self._others[hash]
