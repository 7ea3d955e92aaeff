"""Pins: spans of sources that retention must not remove, stored in a table of their own in the lake."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from pipeline.lake import sql
from pipeline.lake.lake import Lake
from pipeline.lake.lease.writer_lease import writer_of
from pipeline.lake.side_table import SideTable
from pipeline.lake.spans import spans_by_source
from pipeline.runtime.time_source import REAL_TIME, TimeSource
from schemas.clock import Span
from schemas.errors import LakeError
from schemas.ids import digest

_TIME = pa.timestamp("us", tz="UTC")
_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("source_id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("start", pa.int64()),
        pa.field("stop", pa.int64()),
        pa.field("pinned_at", _TIME, nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Pin:
    """Keeps every shot that overlaps a span of a source, including shots found later; None keeps the whole source."""

    source_id: str
    source: str
    span: Span | None
    pinned_at: datetime

    @property
    def id(self) -> str:
        ends = () if self.span is None else (self.span.start, self.span.stop)
        return digest("pin", self.source_id, *ends)[:12]


@dataclass(frozen=True, slots=True)
class Fates:
    """What became of places that were pinned, each named by its pin; those that are not listed are safe.

    gone: nothing is left. cut: a part was removed meanwhile. pending: upkeep has marked the source, and may have read
    the pins before or after this one was written.
    """

    gone: tuple[Pin, ...]
    cut: tuple[Pin, ...]
    pending: tuple[Pin, ...]


class Pins:
    """The pins of a lake. Pinning needs no lock: it is possible while another process writes the lake."""

    def __init__(self, lake: Lake, *, time: TimeSource = REAL_TIME) -> None:
        self._lake = lake
        self._time = time
        self._table = SideTable(lake, "pins", _SCHEMA)

    def read(self) -> tuple[Pin, ...]:
        """All pins, oldest first."""
        # a span that two processes pinned at once is in the table twice
        pins = {row["id"]: _pin(row) for row in self._table.read().to_pylist()}
        return tuple(sorted(pins.values(), key=lambda pin: pin.pinned_at))

    def add(self, places: Sequence[tuple[str, str, Span | None]], *, patience_s: float = 10.0) -> tuple[Pin, ...]:
        """Pins places: (source id, source, span, or None for the whole source). Existing pins are not changed.

        patience_s: how long to wait where upkeep has marked a source and may have read the pins before or after.
        Raises LakeError if a source, or a part of a pinned span, was removed while it was being pinned, or if that is
        not known after `patience_s`. What is left of these places is pinned, and so are all others.
        """
        now = self._time.utc()
        pins = tuple(Pin(source_id, source, span, now) for source_id, source, span in places)
        removed_before = self._removed(pins, "state = 'removed'")
        self.write(pins)
        deadline_s = self._time.monotonic_s() + patience_s
        while (fates := self.fates(pins, removed_before=removed_before)).pending:
            if self._time.monotonic_s() >= deadline_s:
                break
            self._time.sleep(0.05)
        self.remove([pin.id for pin in fates.gone])
        if fates.gone:
            raise LakeError(f"upkeep removed {_names(fates.gone)} before it was pinned; the others are pinned")
        if fates.cut:
            raise LakeError(
                f"upkeep removed a part of {_names(fates.cut)} while it was being pinned; what is left is pinned"
            )
        if fates.pending:
            raise LakeError(
                f"upkeep is removing {_names(fates.pending)}, and it is not known yet whether the pin came in time; "
                "run the same command again"
            )
        return pins

    def write(self, pins: Sequence[Pin]) -> None:
        """Adds the rows of those pins that are not there yet."""
        held = {pin.id for pin in self.read()}
        rows = [_row(pin) for pin in pins if pin.id not in held]
        if rows:
            self._table.add(rows)

    def fates(self, pins: Sequence[Pin], *, removed_before: Mapping[str, Sequence[Span]] | None = None) -> "Fates":
        """What became of places, whose pins were written before.

        Upkeep marks a source, then reads the pins, then deletes. A source without a mark is safe: if it is marked from
        now on, these pins are read after that. removed_before: spans that had been removed before, by source id.
        """
        # read first: a writer that opens the lake after this reads the pins before it continues to delete
        dead = writer_of(self._lake.uri) is None
        ids = sorted({pin.source_id for pin in pins})
        rows = self._lake.read("sources", columns=["id", "state"], where=sql.is_in("id", ids)).to_pylist()
        marked = {row["id"] for row in rows if row["state"] == "removing"}
        held = {row["id"] for row in rows}
        if marked:
            where = sql.is_in("source_id", sorted(marked))
            held -= marked - set(
                self._lake.read("segments", columns=["source_id"], where=where)["source_id"].to_pylist()
            )
        removed = self._removed(pins, "state IN ('removing', 'removed')")
        gone, cut, pending = [], [], []
        for pin in pins:
            before = (removed_before or {}).get(pin.source_id, ())
            lost = [part for span in removed[pin.source_id] for part in span.minus(before)]
            if pin.source_id not in held or (pin.span is not None and not pin.span.minus(removed[pin.source_id])):
                gone.append(pin)
            elif pin.source_id in marked and not dead:
                pending.append(pin)
            elif any(pin.span is None or pin.span.intersection(part) is not None for part in lost):
                cut.append(pin)
        return Fates(tuple(gone), tuple(cut), tuple(pending))

    def remove(self, pin_ids: Sequence[str]) -> int:
        """Removes these pins; returns how many of them existed."""
        held = {pin.id for pin in self.read()} & set(pin_ids)
        if held:
            self._table.delete([*held])
        return len(held)

    def _removed(self, pins: Sequence[Pin], states: str) -> Mapping[str, list[Span]]:
        """The spans of the pins' sources in these states (a condition in SQL), by source id."""
        ids = sorted({pin.source_id for pin in pins})
        where = sql.all_of(sql.is_in("source_id", ids), states)
        return spans_by_source(self._lake.read("segments", columns=["source_id", "start", "stop"], where=where))


def _names(pins: Iterable[Pin]) -> str:
    return ", ".join(sorted({pin.source for pin in pins}))


def _row(pin: Pin) -> dict[str, Any]:
    start, stop = (None, None) if pin.span is None else (pin.span.start, pin.span.stop)
    return {
        "id": pin.id,
        "source_id": pin.source_id,
        "source": pin.source,
        "start": start,
        "stop": stop,
        "pinned_at": pin.pinned_at,
    }


def _pin(row: Mapping[str, Any]) -> Pin:
    span = None if row["start"] is None else Span(row["start"], row["stop"])
    return Pin(row["source_id"], row["source"], span, row["pinned_at"])
