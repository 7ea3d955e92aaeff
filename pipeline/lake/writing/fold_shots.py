"""Shots of the sources whose last segment is done, from the cut events in the ledger."""

import logging
from collections.abc import Callable, Mapping, Sequence

from pipeline.lake.lake import Lake
from pipeline.lake.ledger import SourceEntry, load_cut_events
from schemas.shots import CutEvent, Shot
from schemas.sources import Source

FoldShots = Callable[[Source, Sequence[CutEvent], int, int], list[Shot]]
_log = logging.getLogger(__name__)


def fold_sources(
    lake: Lake, entries: Mapping[str, SourceEntry], fold: FoldShots
) -> dict[str, tuple[Source, list[Shot]]]:
    """The shots of each covered source, by its id; none for one in which nothing was decoded.

    A source whose shots cannot be folded stays out, its reason logged: it is left open, and the lake can be written.
    """
    events = load_cut_events(lake, list(entries))
    shots: dict[str, tuple[Source, list[Shot]]] = {}
    for name, entry in entries.items():
        assert entry.source is not None  # covered() looked
        done = [s for s in entry.segments.values() if s.state == "done"]
        firsts = [s.first_pts for s in done if s.first_pts is not None]
        lasts = [s.last_pts for s in done if s.last_pts is not None]
        found: list[Shot] = []
        if firsts:
            try:
                found = fold(entry.source, events[name], min(firsts), max(lasts))
            except Exception:
                _log.exception("the shots of %s cannot be folded; it is left open", entry.uri)
                continue
        shots[name] = entry.source, found
    return shots
