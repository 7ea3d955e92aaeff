"""Joins neighbouring rows of the ledger, and cuts rows where a part of their source is removed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline.lake.checksums import SegmentChecksum
from schemas.clock import Span
from schemas.ids import segment_id

Row = Mapping[str, Any]  # of `segments`, with all columns
ChecksumRows = Callable[[Span], SegmentChecksum]
CountRows = Callable[[Span], tuple[int, int]]  # keyframes and regions in a span

_JOINED = ("done", "removing", "removed")  # failures keep their own rows, as each has its reason
_SHARED = ("frames_decoded", "near_duplicates", "shed", "lost")  # unknown per frame: divided in proportion to time
_SUMMED = (*_SHARED, "keyframes", "regions")


def joined_rows(rows: Sequence[Row]) -> list[Row]:
    """Rows of one source with neighbours of one state joined; counts are summed, and all cut events are kept."""
    joined: list[Row] = []
    for row in sorted(rows, key=lambda row: row["start"]):
        last = joined[-1] if joined else None
        if last is not None and row["state"] in _JOINED and _follows(row, last):
            joined[-1] = _both(last, row)
        else:
            joined.append(row)
    return [_named(row) for row in joined]


def trimmed_rows(rows: Sequence[Row], kept: Sequence[Span], *, count: CountRows, checksum: ChecksumRows) -> list[Row]:
    """Rows of one source in which the `kept` spans keep their state and the rest is `removing`.

    count: numbers of rows of `frames` and `regions` in a span, which the ledger has for whole segments only. Counts
    that are in no table, such as the number of frames decoded, are divided in proportion to time.
    checksum: of the rows in a span as they are now. That of a segment is divided so that damage is still found: a part
    gets what those of the other parts leave of it.
    """
    cut: list[Row] = []
    for row in rows:
        span = Span(row["start"], row["stop"])
        inside = [part for keep in kept if (part := span.intersection(keep)) is not None]
        if row["state"] == "removed" or inside == [span]:
            cut.append(row)
            continue
        parts = sorted([(part, True) for part in inside] + [(part, False) for part in span.minus(inside)])
        cut += _cut(row, parts, checksum=checksum)
    counted = []
    for row in joined_rows(cut):
        if row["state"] == "done":
            keyframes, regions = count(Span(row["start"], row["stop"]))
            row = {**row, "keyframes": keyframes, "regions": regions}
        counted.append(row)
    return counted


def _cut(row: Row, parts: Sequence[tuple[Span, bool]], *, checksum: ChecksumRows) -> list[Row]:
    """One row for each part of a row's span. parts: (span, whether it is kept), in order."""
    whole = None if row["checksum"] is None else SegmentChecksum.parse(row["checksum"])
    sums = {} if whole is None or len(parts) == 1 else {part: checksum(part) for part, _ in parts}
    surplus = None if whole is None else whole - sum(sums.values(), SegmentChecksum())
    rows: list[Row] = []
    ticks, before = row["stop"] - row["start"], 0
    for part, keep in parts:
        after = before + part.stop - part.start
        # differences of rounded sums, so that the parts of a count add up to it
        shares = {name: row[name] * after // ticks - row[name] * before // ticks for name in _SHARED}
        before = after
        new = {**row, "start": part.start, "stop": part.stop, **shares}
        if keep:
            # the surplus is 0 unless a row was damaged
            new["checksum"] = None if surplus is None else str(sums.get(part, SegmentChecksum()) + surplus)
            decoded = None if row["first_pts"] is None else Span(row["first_pts"], row["last_pts"] + 1)
            within = decoded and decoded.intersection(part)
            new["first_pts"] = within and within.start
            new["last_pts"] = within and within.stop - 1
            new["cut_events"] = [event for event in row["cut_events"] if event["pts"] in part]
        else:
            new |= {"state": "removing", "error": None, "keyframes": 0, "regions": 0, "cut_events": []}
            new |= {"first_pts": None, "last_pts": None, "checksum": str(SegmentChecksum())}
        rows.append(new)
    return rows


def _follows(row: Row, last: Row) -> bool:
    # a row of frames or regions counts only under the lease of its segment
    shared = all(row[name] == last[name] for name in ("state", "plan", "lease"))
    return bool(row["start"] == last["stop"] and shared)


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
        "checksum": _sum(a["checksum"], b["checksum"]),
    }


def _sum(a: str | None, b: str | None) -> str | None:
    """The checksum of two rows together; None if one was written without."""
    return None if a is None or b is None else str(SegmentChecksum.parse(a) + SegmentChecksum.parse(b))


def _named(row: Row) -> Row:
    return {**row, "id": segment_id(row["source_id"], row["plan"], Span(row["start"], row["stop"]))}
