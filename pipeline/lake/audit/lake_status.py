"""A summary of a lake: rows, bytes, sources by state, and inputs that could not be read."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from pipeline.lake.lake import Lake, lake_errors
from pipeline.lake.lease.writer_lease import writer_of
from schemas.sources import feed_name, recording_began
from schemas.tables import TableName
from schemas.vectors import VectorSpace


@dataclass(frozen=True, slots=True)
class TableStatus:
    """Size of a table. data_bytes: of its newest version. fragments: files that a scan opens."""

    rows: int
    data_bytes: int
    fragments: int
    version: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """An input, or a segment of one, that could not be ingested.

    span_s: of the segment; None if the whole source could not be read.
    """

    source: str
    span_s: tuple[float, float] | None
    state: str
    error: str


@dataclass(frozen=True, slots=True)
class RecordedFeed:
    """A feed in the lake. open: number of recordings that continue or were interrupted.

    first: when its oldest recording began, from that recording's URI: `2026-05-01T12:00:00.250Z`.
    lost: number of lost frames by the error that caused it; 0 where the number is unknown.
    """

    name: str
    recordings: int
    open: int
    first: str
    keyframes: int
    shed: int
    lost: dict[str, int]


@dataclass(frozen=True, slots=True)
class LakeStatus:
    """A summary of a lake.

    spaces: vector spaces by column. embedded: number of keyframes that have a vector, by column.
    vector_bytes: mean bytes per keyframe before compression, by kind of vectors: "frames" (their own vectors), "parts"
        (representatives), "regions" and "patches".
    sources, segments: number in each state. refusals: sources first, then segments; without those of feeds.
    feeds: by name; each of their recordings is one of the sources, too.
    disk_bytes: all files of a local lake, including old versions; None for a bucket.
    writer: the process that is writing the lake; None if there is none, or for a bucket.
    """

    uri: str
    spaces: dict[str, VectorSpace]
    embedded: dict[str, int]
    vector_bytes: dict[str, float]
    tables: dict[TableName, TableStatus]
    sources: dict[str, int]
    segments: dict[str, int]
    frames_decoded: int
    near_duplicates: int
    refusals: tuple[Refusal, ...]
    feeds: tuple[RecordedFeed, ...]
    disk_bytes: int | None
    writer: str | None


def status(lake: Lake) -> LakeStatus:
    """Summarises a lake; it reads the ledger, and only sizes and counts of the other tables."""
    columns = ["id", "source", "kind", "state", "error", "time_base_num", "time_base_den"]
    sources = lake.read("sources", columns=columns).to_pylist()
    columns = ["source_id", "source", "state", "error", "start", "stop", "frames_decoded", "near_duplicates"]
    segments = lake.read("segments", columns=[*columns, "keyframes", "shed", "lost"]).to_pylist()
    tick_s = {row["id"]: row["time_base_num"] / row["time_base_den"] for row in sources if row["time_base_den"]}
    recordings = {row["id"] for row in sources if row["kind"] == "feed"}
    refusals = [
        Refusal(row["source"], None, row["state"], row["error"] or "")
        for row in sources
        if row["state"] == "quarantined"
    ]
    for row in segments:
        if row["state"] in ("failed", "quarantined") and row["source_id"] not in recordings:
            tick = tick_s.get(row["source_id"], 0.0)
            refusals.append(
                Refusal(row["source"], (row["start"] * tick, row["stop"] * tick), row["state"], row["error"] or "")
            )
    spaces = lake.spaces()
    writer = writer_of(lake.uri)
    return LakeStatus(
        uri=lake.uri,
        spaces=spaces,
        embedded={column: lake.count("frames", where=f"{column} IS NOT NULL") for column in spaces},
        vector_bytes=_vector_bytes(lake),
        tables={name: _table(lake, name) for name in lake.names},
        sources=dict(Counter(row["state"] for row in sources)),
        segments=dict(Counter(row["state"] for row in segments)),
        frames_decoded=sum(row["frames_decoded"] for row in segments),
        near_duplicates=sum(row["near_duplicates"] for row in segments),
        refusals=tuple(refusals),
        feeds=tuple(_feeds(sources, segments)),
        disk_bytes=_disk_bytes(lake),
        writer=None if writer is None else str(writer),
    )


def _feeds(sources: Iterable[Mapping[str, Any]], segments: Iterable[Mapping[str, Any]]) -> Iterator[RecordedFeed]:
    """The feeds by name, from rows of the two tables."""
    recordings = defaultdict(list)
    for row in sources:
        if row["kind"] == "feed":
            recordings[feed_name(row["source"])].append(row)
    keyframes: Counter[str] = Counter()
    shed: Counter[str] = Counter()
    lost: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in segments:
        keyframes[row["source_id"]] += row["keyframes"]
        shed[row["source_id"]] += row["shed"]
        if row["state"] == "failed":
            lost[row["source_id"]][row["error"] or ""] += row["lost"]
    for name, rows in sorted(recordings.items()):
        yield RecordedFeed(
            name=name,
            recordings=len(rows),
            open=sum(row["state"] == "open" for row in rows),
            first=recording_began(min(row["source"] for row in rows)),
            keyframes=sum(keyframes[row["id"]] for row in rows),
            shed=sum(shed[row["id"]] for row in rows),
            lost=_sum(lost[row["id"]] for row in rows),
        )


def _sum(counts: Iterable[Counter[str]]) -> dict[str, int]:
    """The sum of counts; errors with the count 0 are kept, as their number of frames is unknown."""
    total: dict[str, int] = {}
    for each in counts:
        for name, count in each.items():
            total[name] = total.get(name, 0) + count
    return total


def _vector_bytes(lake: Lake) -> dict[str, float]:
    frames = max(1, lake.count("frames"))
    parts = lake.read("frames", columns=["part_counts"])["part_counts"]
    grids = lake.read("patches", columns=["rows", "cols"])
    counts = {
        "frames": lake.count("frames"),
        "parts": pc.sum(pc.list_value_length(parts)).as_py() or 0,
        "regions": lake.count("regions"),
        "patches": pc.sum(pc.multiply(grids["rows"], grids["cols"])).as_py() or 0,
    }
    bytes_each = 2 * lake.space.dimension  # float16
    return {name: count * bytes_each / frames for name, count in counts.items()}


def _table(lake: Lake, name: TableName) -> TableStatus:
    with lake_errors(f"reading table {name} of {lake.uri}", lake=lake.uri):
        data = lake.dataset(name)
        fragments = data.get_fragments()
        sizes = [file.file_size_bytes or 0 for f in fragments for file in f.metadata.files]
        return TableStatus(data.count_rows(), sum(sizes), len(fragments), data.version)


def _disk_bytes(lake: Lake) -> int | None:
    if lake.folder is None:
        return None
    total = 0
    for path in lake.folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # a writer deleted it meanwhile
            continue
    return total
