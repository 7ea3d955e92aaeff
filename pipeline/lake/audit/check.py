"""The audit of a lake: whether every row is there once, and every table agrees with the ledger."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.lake.audit.compare import compare
from pipeline.lake.lake import Lake, lake_errors
from pipeline.lake.spans import SpanIndex, spans_by_source
from schemas.clock import Span
from schemas.tables import TABLE_NAMES, TableName, vector_spaces

__all__ = ["CheckReport", "check", "compare"]

_KEYS: dict[TableName, str] = dict.fromkeys(TABLE_NAMES, "id") | {"patches": "frame"}
_ROW_TABLES: tuple[TableName, ...] = ("frames", "regions", "patches")
_SHOWN = 10  # problems of one kind that are spelt out: a lost source must not print a line for each of its rows
_BATCH = 4096
# float16 keeps 11 bits: each part of a unit vector is off by 2⁻¹¹ of itself at most, so its length is too;
# twice that for vectors that were a little off before
_LENGTH_TOLERANCE = 2.0**-10
Problem = tuple[str, str]  # id of the source that it concerns, and a sentence
_AGAIN = "run `regionlake ingest` on it again"
_REPLACE = "run `regionlake ingest --replace` on it"


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What an audit found.

    rows: how many each table has. problems: one sentence each; none means sound. source_ids: whose rows they concern.
    """

    rows: dict[TableName, int]
    problems: tuple[str, ...]
    source_ids: frozenset[str]

    @property
    def ok(self) -> bool:
        return not self.problems


def check(lake: Lake) -> CheckReport:
    """Audits a lake. Every problem names the table, the id or source, what was found, and how to mend it."""
    audit = _Audit(lake)
    problems: list[str] = []
    source_ids: set[str] = set()
    for find in audit.checks():
        found = list(find())
        source_ids |= {source_id for source_id, _ in found}
        problems += [sentence for _, sentence in found[:_SHOWN]]
        if len(found) > _SHOWN:
            problems.append(f"… and {len(found) - _SHOWN} more like the last")
    rows = {name: table.num_rows for name, table in audit.tables.items()}
    return CheckReport(rows, tuple(problems), frozenset(source_ids))


class _Audit:
    """All columns of a lake but its vectors and pictures, and what must hold between them.

    codes: number of each row's source, by its place in `ids`. placed: for each row of frames, regions and
    patches the ledger's row whose done span holds it, −1 where there is none.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        with lake_errors(f"reading the lake {lake.uri}"):
            self._datasets = lake.snapshot()
            self.tables: dict[TableName, pa.Table] = {}
            for name, dataset in self._datasets.items():
                heavy = {"thumbnail", "mask", *vector_spaces(dataset.schema)}
                columns = [c for c in dataset.schema.names if c not in heavy]
                self.tables[name] = dataset.to_table(columns=columns).combine_chunks()
        others = [table["source_id"] for name, table in self.tables.items() if name != "sources"]
        ids = [*self.tables["sources"]["id"].chunks, *(chunk for column in others for chunk in column.chunks)]
        self._ids = pc.unique(pa.chunked_array(ids, pa.string()))
        self._uris = dict(_pairs(self.tables["sources"], "id", "source"))
        segments = self.tables["segments"]
        self._done = segments.filter(pc.equal(segments["state"], "done"))
        spans = SpanIndex(
            source=self._codes(self._done), start=_int(self._done, "start"), stop=_int(self._done, "stop")
        )
        self._placed = {
            name: spans.find(source=self._codes(self.tables[name]), pts=_int(self.tables[name], "pts"))
            for name in _ROW_TABLES
        }

    def checks(self) -> Iterator[Callable[[], Iterator[Problem]]]:
        yield self._duplicates
        yield self._shared_places
        yield self._unknown_sources
        yield self._ledger_states
        yield self._overlaps
        yield self._coverage
        yield self._outside_done_spans
        yield self._counts
        yield self._lost_frames
        yield self._boxes
        yield self._shots
        yield self._tracks
        yield self._vectors

    def _duplicates(self) -> Iterator[Problem]:
        for name, key in _KEYS.items():
            table = self.tables[name]
            counts = pc.value_counts(table[key])
            twice = counts.filter(pc.greater(counts.field("counts"), 1))
            where = pc.index_in(twice.field("values"), value_set=table[key])
            sources = table[_source_column(table)].take(where).to_pylist()
            for source, one in zip(sources, twice.to_pylist(), strict=True):
                yield (
                    source,
                    f"{name}: {key} {one['values']} of {self._named(source)} is there {one['counts']} times, "
                    f"expected once; {_REPLACE}",
                )

    def _shared_places(self) -> Iterator[Problem]:
        sources = self.tables["sources"]
        complete = sources.filter(pc.equal(sources["state"], "complete"))
        ids: dict[str, set[str]] = {}
        for source, uri in _pairs(complete, "id", "source"):
            ids.setdefault(uri, set()).add(source)
        for uri, held in ids.items():
            if len(held) > 1:
                for source in sorted(held):
                    yield (
                        source,
                        f"sources: {source} at {uri} is complete, and so are {len(held) - 1} of other bytes there: "
                        f"the file was overwritten; {_REPLACE}",
                    )

    def _unknown_sources(self) -> Iterator[Problem]:
        for name, table in self.tables.items():
            if name == "sources":
                continue
            counts = pc.value_counts(table["source_id"])
            lost = counts.filter(pc.invert(pc.is_in(counts.field("values"), value_set=self.tables["sources"]["id"])))
            for one in lost.to_pylist():
                source, count = one["values"], one["counts"]
                yield source, f"{name}: {count} rows are of source {source}, which `sources` lacks; {_REPLACE}"

    def _ledger_states(self) -> Iterator[Problem]:
        segments = self.tables["segments"]
        for row in segments.filter(pc.equal(segments["state"], "writing")).to_pylist():
            yield (
                row["source_id"],
                f"segments: [{row['start']}, {row['stop']}) of {row['source']} is `writing`: a commit is under way, or "
                f"was interrupted; the next `regionlake ingest` undoes it",
            )
        for name in ("sources", "segments"):
            table = self.tables[name]
            going = table.filter(pc.equal(table["state"], "removing"))
            for source_id, uri in sorted({*_pairs(going, _source_column(table), "source")}):
                yield (
                    source_id,
                    f"{name}: {uri} is `removing`: a removal is under way, or was interrupted; the next "
                    "`regionlake ingest` or `regionlake upkeep` ends it",
                )
        plans = dict(_pairs(self.tables["sources"], "id", "plan"))
        for source, plan in sorted({*_pairs(self._done, "source_id", "plan")}):
            if source in plans and plans[source] != plan:
                yield (
                    source,
                    f"segments: {self._named(source)} has rows of plan {plan}, expected {plans[source]} as in "
                    f"`sources`; {_REPLACE}",
                )

    def _overlaps(self) -> Iterator[Problem]:
        code, start, stop = self._codes(self._done), _int(self._done, "start"), _int(self._done, "stop")
        order = np.lexsort((start, code))
        here, after = order[:-1], order[1:]
        clash = (code[here] == code[after]) & (stop[here] > start[after])
        for a, b in zip(here[clash].tolist(), after[clash].tolist(), strict=True):
            source = self._id(code[a])
            yield (
                source,
                f"segments: [{start[a]}, {stop[a]}) and [{start[b]}, {stop[b]}) of {self._named(source)} are both done "
                f"and overlap; {_REPLACE}",
            )

    def _coverage(self) -> Iterator[Problem]:
        feeds = self.tables["sources"].filter(pc.equal(self.tables["sources"]["kind"], "feed"))["id"]
        segments = self.tables["segments"]
        # what a feed lost never comes again: its recordings end without it
        lost = pc.and_(pc.equal(segments["state"], "failed"), pc.is_in(segments["source_id"], value_set=feeds))
        settled = pa.concat_tables([self._done, segments.filter(pc.or_(lost, pc.equal(segments["state"], "removed")))])
        spans = spans_by_source(settled)
        for row in self.tables["sources"].to_pylist():
            if row["state"] == "quarantined" or row["start"] is None:
                continue
            left = Span(row["start"], row["stop"]).minus(spans[row["id"]])
            if row["state"] == "complete" and left:
                missing = ", ".join(f"[{s.start}, {s.stop})" for s in left[:3])
                yield (
                    row["id"],
                    f"sources: {row['source']} is complete, but {missing} is not done in `segments`; {_REPLACE}",
                )
            if row["state"] == "open" and not left:
                yield row["id"], f"sources: {row['source']} is done as a whole, but still open; {_AGAIN}"

    def _outside_done_spans(self) -> Iterator[Problem]:
        for name, placed in self._placed.items():
            stray = placed < 0
            if not stray.any():
                continue
            code, pts = self._codes(self.tables[name])[stray], _int(self.tables[name], "pts")[stray]
            for one in np.unique(code):
                some, source = pts[code == one], self._id(one)
                yield (
                    source,
                    f"{name}: {len(some)} rows of {self._named(source)} (PTS {some.min()} to {some.max()}) lie in no "
                    f"segment that is done; {_REPLACE}",
                )

    def _counts(self) -> Iterator[Problem]:
        counted: tuple[tuple[TableName, str], ...] = (("frames", "keyframes"), ("regions", "regions"))
        for name, column in counted:
            placed = self._placed[name]
            found = np.bincount(placed[placed >= 0], minlength=self._done.num_rows)
            expected = _int(self._done, column)
            for i in np.flatnonzero(found != expected).tolist():
                row = self._done.slice(i, 1).to_pylist()[0]
                yield (
                    row["source_id"],
                    f"{name}: [{row['start']}, {row['stop']}) of {row['source']} has {found[i]} rows, expected "
                    f"{expected[i]} as in `segments.{column}`; {_REPLACE}",
                )

    def _lost_frames(self) -> Iterator[Problem]:
        frames = self.tables["frames"]
        for name in ("regions", "patches"):
            table = self.tables[name]
            place = pc.index_in(table["frame"], value_set=frames["id"])
            for source, frame in sorted({*_pairs(table.filter(pc.is_null(place)), "source_id", "frame")}):
                yield (
                    source,
                    f"{name}: rows of frame {frame} of {self._named(source)}, which `frames` lacks; {_REPLACE}",
                )
            held = table.filter(pc.is_valid(place))
            of = frames.take(place.combine_chunks().drop_null())
            moved = pc.or_(pc.not_equal(held["pts"], of["pts"]), pc.not_equal(held["source_id"], of["source_id"]))
            for row in held.filter(moved).select(["frame", "pts", "source_id", "source"]).to_pylist():
                yield (
                    row["source_id"],
                    f"{name}: a row of frame {row['frame']} has PTS {row['pts']} of {row['source']}, its frame has "
                    f"another; {_REPLACE}",
                )

    def _boxes(self) -> Iterator[Problem]:
        regions = self.tables["regions"]
        x0, y0, x1, y1 = (regions[c].to_numpy() for c in ("x0", "y0", "x1", "y1"))
        # written so that NaN is wrong too
        sound = (x0 >= 0) & (x0 <= x1) & (x1 <= 1) & (y0 >= 0) & (y0 <= y1) & (y1 <= 1)
        for row in regions.take(np.flatnonzero(~sound)).to_pylist():
            box = [row[c] for c in ("x0", "y0", "x1", "y1")]
            yield (
                row["source_id"],
                f"regions: {row['id']} of {row['source']} has the box {box}, outside the frame or turned over; "
                f"{_REPLACE}",
            )

    def _shots(self) -> Iterator[Problem]:
        segments = self.tables["segments"]
        removed = segments.filter(pc.equal(segments["state"], "removed"))
        found: dict[str, list[tuple[int, int]]] = {}
        for row in (*self.tables["shots"].to_pylist(), *removed.to_pylist()):  # the shots of what was removed went too
            found.setdefault(row["source_id"], []).append((row["start"], row["stop"]))
        decoded = self._done.group_by("source_id").aggregate([("frames_decoded", "sum")])
        with_frames = {source for source, count in _pairs(decoded, "source_id", "frames_decoded_sum") if count}
        for row in self.tables["sources"].to_pylist():
            has = sorted(found.get(row["id"], []))
            if row["state"] != "complete":
                if has:
                    yield (
                        row["id"],
                        f"shots: {len(has)} of {row['source']}, which is {row['state']}, expected none; {_AGAIN}",
                    )
                continue
            if not has and row["id"] not in with_frames:
                continue
            starts, stops = [start for start, _ in has], [stop for _, stop in has]
            if [*starts, row["stop"]] != [row["start"], *stops]:
                yield (
                    row["id"],
                    f"shots: those of {row['source']} do not cover [{row['start']}, {row['stop']}) without gap or "
                    f"overlap, got {has[:5]}{' …' if len(has) > 5 else ''}; {_REPLACE}",
                )

    def _tracks(self) -> Iterator[Problem]:
        regions = self.tables["regions"]
        tracked = regions.filter(pc.is_valid(regions["track"]))
        first = pc.index_in(tracked["track"], value_set=regions["id"])
        lost = tracked.filter(pc.is_null(first))
        for source, track in sorted({*_pairs(lost, "source_id", "track")}):
            yield source, f"regions: track {track} of {self._named(source)} begins with no region; {_REPLACE}"
        held = tracked.filter(pc.is_valid(first))
        begins = regions.take(first.combine_chunks().drop_null())
        stray = pc.or_(pc.not_equal(held["source_id"], begins["source_id"]), pc.less(held["pts"], begins["pts"]))
        for source, track in sorted({*_pairs(held.filter(stray), "source_id", "track")}):
            yield (
                source,
                f"regions: track {track} of {self._named(source)} begins in another source, or later than its "
                f"regions; {_REPLACE}",
            )

    def _vectors(self) -> Iterator[Problem]:
        columns = [(name, column) for name in _ROW_TABLES for column in vector_spaces(self._datasets[name].schema)]
        for name, column in columns:
            key, size = _KEYS[name], 64 if name == "patches" else _BATCH  # a row of patches is a whole grid
            scanner = self._datasets[name].scanner(columns=[key, "source_id", column], batch_size=size)
            for batch in scanner.to_reader():
                rows, lengths = _lengths(batch.column(column))  # where a model filled it
                bad = np.flatnonzero(~(np.abs(lengths - 1) <= _LENGTH_TOLERANCE))  # NaN is not within it either
                for row, first in zip(*np.unique(rows[bad], return_index=True), strict=True):
                    source = batch.column("source_id")[row].as_py()
                    yield (
                        source,
                        f"{name}: {column} of {batch.column(key)[row]} of {self._named(source)} has length "
                        f"{lengths[bad[first]]:.3f}, expected 1; {_REPLACE}",
                    )

    def _codes(self, table: pa.Table) -> NDArray[np.int64]:
        codes = pc.index_in(table[_source_column(table)], value_set=self._ids)
        return np.asarray(codes.to_numpy(), np.int64)

    def _id(self, code: int) -> str:
        return str(self._ids[int(code)])

    def _named(self, source_id: str) -> str:
        return self._uris.get(source_id, f"source {source_id}")


def _source_column(table: pa.Table) -> str:
    return "source_id" if "source_id" in table.schema.names else "id"


def _lengths(vectors: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Row and length of every vector that is there, of a column of vectors or of lists of vectors."""
    rows = np.flatnonzero(vectors.is_valid().to_numpy(zero_copy_only=False))
    if pa.types.is_list(vectors.type):
        vectors = vectors.drop_null()
        rows = np.repeat(rows, vectors.value_lengths().to_numpy(zero_copy_only=False))
        vectors = vectors.flatten()
    flat = vectors.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    wide = flat.reshape(-1, vectors.type.list_size)
    return rows, np.sqrt(np.einsum("nd,nd->n", wide, wide))


def _int(table: pa.Table, column: str) -> NDArray[np.int64]:
    return np.asarray(table[column].to_numpy(), np.int64)


def _pairs(table: pa.Table, key: str, value: str) -> Iterator[tuple[str, str]]:
    return zip(table[key].to_pylist(), table[value].to_pylist(), strict=True)
