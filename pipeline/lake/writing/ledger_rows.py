"""Rows of the ledger made into fewer, or cut where a part of their source is to go."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from schemas.clock import Span
from schemas.ids import segment_id

Row = Mapping[str, Any]  # of `segments`, every column
CountRows = Callable[[Span], tuple[int, int]]  # keyframes and regions in a span

_JOINED = ("done", "removing", "removed")  # failures keep their own row: each has its reason
_SHARED = ("frames_decoded", "near_duplicates", "shed", "lost")  # not known frame by frame: divided by time
_SUMMED = (*_SHARED, "keyframes", "regions")


def joined_rows(rows: Sequence[Row]) -> list[Row]:
    """Of one source: neighbours that are done, or removed, as one row; every count and cut event is kept."""
    joined: list[Row] = []
    for row in sorted(rows, key=lambda row: row["start"]):
        last = joined[-1] if joined else None
        if last is not None and row["state"] in _JOINED and _follows(row, last):
            joined[-1] = _both(last, row)
        else:
            joined.append(row)
    return [_named(row) for row in joined]


def trimmed_rows(rows: Sequence[Row], kept: Sequence[Span], *, count: CountRows) -> list[Row]:
    """Of one source: `kept` as it is, the rest as `removing`.

    count: what `frames` and `regions` hold of a span, as the ledger knows it of whole segments only. What no table
    holds, such as the frames that were decoded, is divided by time.
    """
    pieces: list[Row] = []
    for row in rows:
        span = Span(row["start"], row["stop"])
        inside = [piece for keep in kept if (piece := span.intersection(keep)) is not None]
        if row["state"] == "removed" or inside == [span]:
            pieces.append(row)
            continue
        parts = sorted([(piece, True) for piece in inside] + [(piece, False) for piece in span.minus(inside)])
        pieces += _cut(row, parts)
    counted = []
    for row in joined_rows(pieces):
        if row["state"] == "done":
            keyframes, regions = count(Span(row["start"], row["stop"]))
            row = {**row, "keyframes": keyframes, "regions": regions}
        counted.append(row)
    return counted


def _cut(row: Row, parts: Sequence[tuple[Span, bool]]) -> list[Row]:
    pieces: list[Row] = []
    ticks, before = row["stop"] - row["start"], 0
    for part, keep in parts:
        after = before + part.stop - part.start
        # by what is left of the end: the pieces of a count add up to it
        shares = {name: row[name] * after // ticks - row[name] * before // ticks for name in _SHARED}
        before = after
        piece = {**row, "start": part.start, "stop": part.stop, **shares}
        if keep:
            decoded = None if row["first_pts"] is None else Span(row["first_pts"], row["last_pts"] + 1)
            within = decoded and decoded.intersection(part)
            piece["first_pts"] = within and within.start
            piece["last_pts"] = within and within.stop - 1
            piece["cut_events"] = [event for event in row["cut_events"] if event["pts"] in part]
        else:
            piece |= {"state": "removing", "error": None, "keyframes": 0, "regions": 0, "cut_events": []}
            piece |= {"first_pts": None, "last_pts": None}
        pieces.append(piece)
    return pieces


def _follows(row: Row, last: Row) -> bool:
    return bool(row["start"] == last["stop"] and row["state"] == last["state"] and row["plan"] == last["plan"])


def _both(a: Row, b: Row) -> Row:
    firsts = [row["first_pts"] for row in (a, b) if row["first_pts"] is not None]
    lasts = [row["last_pts"] for row in (a, b) if row["last_pts"] is not None]
    return {
        **a,
        "stop": b["stop"],
        **{name: a[name] + b[name] for name in _SUMMED},
        "first_pts": min(firsts, default=None),
        "last_pts": max(lasts, default=None),
        "cut_events": [*a["cut_events"], *b["cut_events"]],
        "committed_at": max(a["committed_at"], b["committed_at"]),
    }


def _named(row: Row) -> Row:
    return {**row, "id": segment_id(row["source_id"], row["plan"], Span(row["start"], row["stop"]))}
