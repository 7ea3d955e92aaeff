"""Pins: spans of sources that retention must not remove, stored in a table of their own in the lake."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.lake import sql
from pipeline.lake.lake import Lake, lake_errors, open_dataset
from pipeline.lake.spans import spans_by_source
from pipeline.runtime.time_source import REAL_TIME, TimeSource
from schemas.clock import Span
from schemas.errors import LakeError
from schemas.ids import digest

if TYPE_CHECKING:
    from lancedb.table import Table

_TABLE = "pins"
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


class Pins:
    """The pins of a lake. Pinning needs no lock: it is possible while another process writes the lake."""

    def __init__(self, lake: Lake, *, time: TimeSource = REAL_TIME) -> None:
        self._lake = lake
        self._time = time

    def read(self) -> tuple[Pin, ...]:
        """All pins, oldest first."""
        with lake_errors(f"reading the pins of {self._lake.uri}"):
            table = open_dataset(self._lake.uri, _TABLE)
            rows = [] if table is None else table.to_table().to_pylist()  # None: nothing was ever pinned
        # a span that two processes pinned at once is in the table twice
        pins = {row["id"]: _pin(row) for row in rows}
        return tuple(sorted(pins.values(), key=lambda pin: pin.pinned_at))

    def add(self, places: Sequence[tuple[str, str, Span | None]]) -> tuple[Pin, ...]:
        """Pins places: (source id, source, span, or None for the whole source). Existing pins are not changed.

        Raises LakeError if a source was removed while it was being pinned.
        """
        now = self._time.utc()
        pins = tuple(Pin(source_id, source, span, now) for source_id, source, span in places)
        held = {pin.id for pin in self.read()}
        rows = [_row(pin) for pin in pins if pin.id not in held]
        if rows:
            with lake_errors(f"pinning in {self._lake.uri}"):
                self._table().add(pa.Table.from_pylist(rows, schema=_SCHEMA))
        gone = self._gone(pins)
        if gone:
            self.remove([pin.id for pin in gone])
            names = ", ".join(sorted({pin.source for pin in gone}))
            raise LakeError(f"upkeep removed {names} before it was pinned; the others are pinned")
        return pins

    def remove(self, pin_ids: Sequence[str]) -> int:
        """Removes these pins; returns how many of them existed."""
        held = {pin.id for pin in self.read()} & set(pin_ids)
        if held:
            with lake_errors(f"unpinning in {self._lake.uri}"):
                self._table().delete(sql.is_in("id", sorted(held)))
        return len(held)

    def _gone(self, pins: Sequence[Pin]) -> list[Pin]:
        """The pins whose place was removed before upkeep saw them.

        Upkeep reads the pins before each step that removes: it has seen these, or has marked what it removes by now.
        """
        if not pins:
            return []
        ids = sorted({pin.source_id for pin in pins})
        where = sql.all_of(sql.is_in("id", ids), "state <> 'removing'")
        held = set(self._lake.read("sources", columns=["id"], where=where)["id"].to_pylist())
        where = sql.all_of(sql.is_in("source_id", ids), "state IN ('removing', 'removed')")
        removed = spans_by_source(self._lake.read("segments", columns=["source_id", "start", "stop"], where=where))
        return [
            pin
            for pin in pins
            if pin.source_id not in held or (pin.span is not None and not pin.span.minus(removed[pin.source_id]))
        ]

    def _table(self) -> "Table":
        """The table for changes, created at the first call."""
        import lancedb

        return lancedb.connect(self._lake.uri).create_table(_TABLE, schema=_SCHEMA, exist_ok=True)


def _row(pin: Pin) -> dict[str, object]:
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
