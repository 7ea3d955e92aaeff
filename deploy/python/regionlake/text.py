"""Hits as lines of text."""

from deploy.wording import clock_time, counted, is_picture, short_names, sources_without_zone
from schemas.query import Hit, SearchResult
from schemas.visible_text import visible


def hits_text(result: SearchResult) -> str:
    """A summary, then one line for each hit."""
    names = short_names([hit.source for hit in result.hits])
    rows = [_cells(hit, names[hit.source]) for hit in result.hits]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([summary(result), *lines])


def summary(result: SearchResult) -> str:
    """The numbers of hits and of candidates, and the time that the search took."""
    found = f"{counted(len(result.hits), 'hit')} of {result.candidates:,} regions and frames in {result.took_ms:.0f} ms"
    found = found if result.exact else f"{found} (approximate)"
    others = sources_without_zone(result)
    return f"{found}; {others}" if others else found


def _cells(hit: Hit, name: str) -> tuple[str, ...]:
    box = " ".join(f"{side:.2f}" for side in hit.place.box)
    at = "–" if is_picture(hit.source) else clock_time(hit.pts_s)
    certain = "–" if hit.confidence is None else f"{hit.confidence:.2f}"
    return str(hit.rank), certain, f"{hit.distance:.3f}", name, at, box, visible(hit.place.label or hit.place.proposer)
