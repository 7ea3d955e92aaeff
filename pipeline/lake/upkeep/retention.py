"""Chooses the recordings and files to remove: those that are too old, or the oldest of a feed with too many bytes."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from pipeline.lake import sql
from pipeline.lake.lake import Lake
from pipeline.lake.spans import spans_by_source
from pipeline.lake.upkeep.compaction import fragment_bytes
from pipeline.lake.upkeep.config import UpkeepConfig
from pipeline.lake.upkeep.pins import Pin
from schemas.clock import Clock, Span
from schemas.file_names import path_of_uri
from schemas.sources import feed_name
from schemas.tables import TableName


@dataclass(frozen=True, slots=True)
class Recording:
    """A source as retention sees it.

    feed: name of the feed; a file is its own feed. ended: end of the recording; for a file, when it was ingested.
    committed: when its last row of the ledger was written. bytes: estimated size of its rows. state: as in `sources`.
    folder: name of the followed folder in which a file is; None for recordings, and for files that are in none.
    """

    id: str
    source: str
    feed: str
    ended: datetime
    committed: datetime
    bytes: int
    state: str
    is_file: bool = False
    folder: str | None = None

    @property
    def group(self) -> str:
        """The feed whose share a pass may remove; "files" for files that are in no followed folder."""
        return self.folder or ("files" if self.is_file else self.feed)


@dataclass(frozen=True, slots=True)
class Trim:
    """A recording to remove in part. kept: spans of its pinned shots."""

    recording: Recording
    kept: tuple[Span, ...]


def expired(
    recordings: Iterable[Recording], config: UpkeepConfig, *, now: datetime, removed_feeds: Collection[str] = ()
) -> list[Recording]:
    """The recordings beyond the limits, oldest first; open ones are removed by age only.

    The newest of each feed stays, however old it is, unless the feed was removed from the file of feeds.
    removed_feeds: names of those.
    """
    found: dict[str, Recording] = {}
    by_feed: dict[str, list[Recording]] = {}
    newest: dict[str, Recording] = {}
    for recording in recordings:
        by_feed.setdefault(recording.feed, []).append(recording)
        if recording.folder is not None or not recording.is_file:
            newest[recording.group] = max(newest.get(recording.group, recording), recording, key=_age)
        if config.max_age is not None and recording.ended < _before(now, config.max_age):
            found[recording.id] = recording
    for feed, recording in newest.items():
        if feed not in removed_feeds:
            found.pop(recording.id, None)
    if config.max_bytes_per_feed is not None:
        for of_feed in by_feed.values():
            held = 0
            for number, recording in enumerate(sorted(of_feed, key=_age, reverse=True)):
                held += recording.bytes
                if number and held > config.max_bytes_per_feed and recording.state == "complete":
                    found[recording.id] = recording
    return sorted(found.values(), key=_age)


def split_by_pins(
    going: Sequence[Recording], pins: Iterable[Pin], shots: Mapping[str, Sequence[Span]]
) -> tuple[list[Recording], list[Trim]]:
    """Divides recordings into those to remove as a whole, and those of which pinned shots are kept.

    shots: of each recording that has pins. A recording whose shots are not known yet, or are all pinned, is in neither.
    """
    pinned: dict[str, list[Pin]] = {}
    for pin in pins:
        pinned.setdefault(pin.source_id, []).append(pin)
    whole: list[Recording] = []
    parts: list[Trim] = []
    for recording in going:
        if recording.id not in pinned:
            whole.append(recording)
            continue
        if recording.state != "complete":
            continue
        kept = [shot for shot in shots.get(recording.id, ()) if any(_meets(pin, shot) for pin in pinned[recording.id])]
        if not kept:
            whole.append(recording)
        elif len(kept) < len(shots[recording.id]):
            parts.append(Trim(recording, tuple(sorted(kept))))
    return whole, parts


def recordings_of(lake: Lake, *, folders: Mapping[str, str] | None = None) -> list[Recording]:
    """Every source that has rows in the ledger. folders: path → name of each followed folder of files."""
    columns = ["id", "source", "kind", "state", "time_base_num", "time_base_den", "start_time", "start", "stop"]
    sources = lake.read("sources", columns=columns, where="state <> 'quarantined'").to_pylist()
    counts = _counts(lake)
    frame_bytes = _row_bytes(lake, "frames") + _row_bytes(lake, "patches", per="frames")
    region_bytes = _row_bytes(lake, "regions")
    found = []
    for row in sources:
        keyframes, regions, committed = counts.get(row["id"], (0, 0, None))
        if committed is None:  # registered, but without any segment yet
            continue
        feed = feed_name(row["source"]) if row["kind"] == "feed" else row["source"]
        size = int(keyframes * frame_bytes + regions * region_bytes)
        ended, is_file = _ended(row, committed), row["kind"] != "feed"
        folder = _folder(row["source"], folders or {}) if is_file else None
        found.append(Recording(row["id"], row["source"], feed, ended, committed, size, row["state"], is_file, folder))
    return found


def shots_of(lake: Lake, source_ids: Sequence[str]) -> dict[str, list[Span]]:
    found: dict[str, list[Span]] = {name: [] for name in source_ids}
    for at in range(0, len(source_ids), 500):
        where = sql.is_in("source_id", source_ids[at : at + 500])
        found |= spans_by_source(lake.read("shots", columns=["source_id", "start", "stop"], where=where))
    return found


def _folder(source: str, folders: Mapping[str, str]) -> str | None:
    file = path_of_uri(source)
    return next((name for path, name in folders.items() if file.startswith(f"{path.rstrip('/')}/")), None)


def _before(now: datetime, age: timedelta) -> datetime:
    try:
        return now - age
    except OverflowError:  # older than the calendar: nothing is
        return datetime.min.replace(tzinfo=UTC)


def _ended(row: Mapping[str, Any], committed: datetime) -> datetime:
    """The end of a recording. An open one is as old as its last rows: its span reaches to its greatest possible end.

    It is not older than its beginning, though its rows may have been written while the wall clock was behind.
    """
    if row["kind"] != "feed" or row["start_time"] is None:
        return committed
    clock = Clock(Fraction(row["time_base_num"], row["time_base_den"]), row["start_time"])
    if row["state"] != "complete":
        return max(committed, clock.utc(row["start"]) or committed)
    return clock.utc(row["stop"]) or committed


def _counts(lake: Lake) -> dict[str, tuple[int, int, datetime]]:
    """For each source: numbers of keyframes and regions, and when its last row of the ledger was written."""
    rows = lake.read("segments", columns=["source_id", "keyframes", "regions", "committed_at"])
    sums = rows.group_by("source_id").aggregate([("keyframes", "sum"), ("regions", "sum"), ("committed_at", "max")])
    return {
        row["source_id"]: (row["keyframes_sum"], row["regions_sum"], row["committed_at_max"])
        for row in sums.to_pylist()
    }


def _row_bytes(lake: Lake, name: TableName, *, per: TableName | None = None) -> float:
    """Bytes on disk of a table, per row of it or of the table `per`."""
    held = lake.dataset(name).get_fragments()
    physical = sum(fragment.physical_rows for fragment in held)
    if not physical:
        return 0.0
    each = sum(map(fragment_bytes, held)) / physical
    return each if per is None else each * lake.count(name) / max(1, lake.count(per))


def _meets(pin: Pin, shot: Span) -> bool:
    return pin.span is None or pin.span.intersection(shot) is not None


def _age(recording: Recording) -> tuple[datetime, str]:
    return recording.ended, recording.id
