"""Computes the shots of covered sources from the cut events in the ledger."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from pipeline.lake.lake import Lake
from pipeline.lake.ledger import SourceEntry, load_cut_events
from schemas.shots import CutEvent, Shot
from schemas.sources import Source

FoldShots = Callable[[Source, Sequence[CutEvent], int, int], list[Shot]]
_log = logging.getLogger(__name__)


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
