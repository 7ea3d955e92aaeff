"""Makes the rows of a lake agree with its ledger again, after damaged files were removed.

A segment of a file that lost rows becomes `failed`, so that the next ingest reads it again. What a feed lost cannot
be read again: its other rows are kept, and the ledger gets their number.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from operators.shots.cuts import fold_shots
from pipeline.lake import sql
from pipeline.lake.audit import ledger_checks, row_checks
from pipeline.lake.audit.audited_lake import KEYS, ROW_TABLES, TABLES_OF_SOURCES, AuditedLake, ints
from pipeline.lake.audit.checksum_checks import damaged_rows, segment_sums
from pipeline.lake.checksums import SegmentChecksum, with_ledger_checksums
from pipeline.lake.lake import Lake
from pipeline.lake.ledger import SegmentState, load_entries, shots_table
from pipeline.lake.plans import read_plans
from pipeline.lake.writing import removal
from pipeline.lake.writing.completion import fold_sources
from pipeline.lake.writing.repeats import recover_repeats
from pipeline.lake.writing.table_writer import TableWriter, write_column
from pipeline.plan.lake_plan import read_lake_plan
from pipeline.runtime.time_source import REAL_TIME, TimeSource
from schemas.clock import Span, union
from schemas.errors import PlanError
from schemas.ids import segment_id
from schemas.tables import TableName, segments_schema

DAMAGED = "its rows were damaged, and `regionlake repair` removed them"
_EMPTY: dict[str, object] = {
    **dict.fromkeys(("frames_decoded", "near_duplicates", "shed", "lost", "keyframes", "regions"), 0),
    "first_pts": None,
    "last_pts": None,
    "cut_events": [],
}


@dataclass(slots=True)
class Losses:
    """What was lost. again: URIs of which the next ingest reads what is lost. gone: sentences on what cannot come back,
    in the order in which it was found."""

    again: set[str] = field(default_factory=set)
    gone: dict[str, None] = field(default_factory=dict)

    def cannot_come_back(self, what: str) -> None:
        self.gone[what] = None


def reconcile(lake: Lake, tables: TableWriter, *, time: TimeSource = REAL_TIME) -> Losses:
    """Removes what is damaged and marks what is lost. Call it with the writer's lease."""
    losses = Losses()
    _forget_damaged_rows(lake, tables, losses)
    # first: rows that a killed writer was about to delete are not damage
    complete = lake.read("sources", columns=["id"], where="state = 'complete'")["id"].to_pylist()
    recover_repeats(lake, tables, complete=complete)
    _fail_segments(_audit(lake), lake, tables, losses)
    _delete_strays(_audit(lake), tables)
    _restore_feeds(_audit(lake), tables, losses, time=time)
    _remove_unsound_files(_audit(lake), tables, losses)
    _renew_shots(_audit(lake), lake, tables, losses)
    _forget_tracks(_audit(lake), lake)
    return losses


def _audit(lake: Lake) -> AuditedLake:
    return AuditedLake(lake, patience_s=0.0)  # nobody else is writing


def _forget_damaged_rows(lake: Lake, tables: TableWriter, losses: Losses) -> None:
    """Removes rows of the ledger and of `plans` that are damaged, and sources whose own row is damaged or lost."""
    audited = _audit(lake)
    damaged = {*_damaged(audited, "sources")["id"].to_pylist()}
    kinds = _kinds(audited)
    going = damaged | {
        source_id
        for name in TABLES_OF_SOURCES
        for source_id in pc.unique(audited.tables[name]["source_id"]).to_pylist()
    } - {*kinds}
    named = {row["source_id"]: row["source"] for name in TABLES_OF_SOURCES for row in _some(audited.tables[name])}
    for source_id in sorted(going):
        uri = named.get(source_id, audited.named(source_id))
        if "#" in uri and kinds.get(source_id, "feed") == "feed":
            losses.cannot_come_back(f"the recording {uri}: its row in `sources` is lost")
        else:
            losses.again.add(uri)
        removal.finish_removals(tables, [source_id])
    ledger = audited.tables["segments"]
    unknown = ledger.filter(pc.invert(pc.is_in(ledger["state"], value_set=pa.array(get_args(SegmentState)))))
    tables.delete("segments", "id", [*_damaged(audited, "segments")["id"].to_pylist(), *unknown["id"].to_pylist()])
    plans = _damaged(audited, "plans")["id"].to_pylist()
    tables.delete("plans", "id", plans)
    for plan in plans:
        losses.cannot_come_back(f"the plan {plan}, until the next ingest under it stores it again")


def _fail_segments(audited: AuditedLake, lake: Lake, tables: TableWriter, losses: Losses) -> None:
    """Marks the segments of files that lost rows as failed, and opens the sources that are not whole any more."""
    kinds = _kinds(audited)
    rows = [row for row in _unsound_segments(audited) if kinds[row["source_id"]] != "feed"]
    failed = [
        {**row, **_EMPTY, "state": "failed", "error": DAMAGED, "checksum": str(SegmentChecksum())} for row in rows
    ]
    if rows:
        tables.upsert("segments", with_ledger_checksums(pa.Table.from_pylist(failed, schema=segments_schema())))
        removal.delete_rows(tables, [(row["source_id"], row["id"], Span(row["start"], row["stop"])) for row in rows])
    open_now = {row["source_id"] for row in rows}
    for source_id, _ in ledger_checks.coverage(audited):  # its rows of the ledger are lost
        open_now |= {source_id} if kinds[source_id] != "feed" else set()
    losses.again |= {audited.named(source_id) for source_id in open_now}
    ids = sorted(open_now)
    tables.delete("shots", "source_id", ids)
    _null_tracks(lake, sql.is_in("source_id", ids))
    tables.update("sources", sql.all_of(sql.is_in("id", ids), "state = 'complete'"), state="open")


def _delete_strays(audited: AuditedLake, tables: TableWriter) -> None:
    """Deletes rows of files that lie in no done segment, and rows of feeds whose frame is lost."""
    feeds = pa.array([name for name, kind in _kinds(audited).items() if kind == "feed"], pa.string())
    frames = audited.tables["frames"]["id"]
    for name in ROW_TABLES:
        table, stray = audited.tables[name], pa.array(audited.placed[name] < 0)
        going = pc.and_(stray, pc.invert(pc.is_in(table["source_id"], value_set=feeds)))
        if name != "frames":
            going = pc.or_(going, pc.invert(pc.is_in(table["frame"], value_set=frames)))
        tables.delete(name, KEYS[name], pc.unique(table[KEYS[name]].filter(going)).to_pylist())


def _restore_feeds(audited: AuditedLake, tables: TableWriter, losses: Losses, *, time: TimeSource) -> None:
    """Gives the ledger of feeds the numbers of the rows that are left, and makes lost rows of it again."""
    kinds = _kinds(audited)
    new: list[dict[str, Any]] = []
    for row in _unsound_segments(audited):
        if kinds[row["source_id"]] != "feed":
            continue
        span = Span(row["start"], row["stop"])
        keyframes, regions = (len(_pts(audited, name, row["source_id"], span)) for name in ("frames", "regions"))
        gone = max(0, row["keyframes"] - keyframes), max(0, row["regions"] - regions)
        what = f"{gone[0]} keyframes and {gone[1]} regions" if any(gone) else "some values"
        losses.cannot_come_back(f"{what} of [{span.start}, {span.stop}) of {row['source']}; its other rows are kept")
        counts = {"keyframes": keyframes, "regions": regions, "lost": row["lost"] + gone[0]}
        new.append({**row, **counts, "error": DAMAGED, "checksum": None})
    held = defaultdict(list)
    for row in audited.tables["segments"].to_pylist():
        held[row["source_id"]].append(Span(row["start"], row["stop"]))
    for source in audited.tables["sources"].to_pylist():
        if source["kind"] == "feed" and source["state"] == "complete":
            for span in Span(source["start"], source["stop"]).minus(union(held[source["id"]])):
                new += _made_again(audited, source, span, time=time)
                losses.cannot_come_back(
                    f"the ledger of [{span.start}, {span.stop}) of {source['source']}, with what was shed; it is made "
                    "again from the rows that are there"
                )
    if new:  # each row under the lease of its rows
        rows = pa.Table.from_pylist(new, schema=segments_schema())
        tables.replace("segments", rows, sql.is_in("id", [row["id"] for row in new]))


def _made_again(
    audited: AuditedLake, source: dict[str, Any], span: Span, *, time: TimeSource
) -> Iterator[dict[str, Any]]:
    """Rows of the ledger for the rows of a recording in a span: one for each lease under which they were written."""
    frames = audited.tables["frames"]
    frames = frames.filter(pc.equal(frames["source_id"], source["id"])).sort_by("pts")
    leases = {
        pts: lease
        for pts, lease in zip(*(frames[name].to_pylist() for name in ("pts", "lease")), strict=True)
        if pts in span
    }
    order = [*leases]
    begins = [span.start, *(b for a, b in pairwise(order) if leases[a] != leases[b]), span.stop]
    for start, stop in pairwise(begins):
        part = Span(start, stop)
        pts = [each for each in order if each in part]
        yield {
            "id": segment_id(source["id"], source["plan"], part),
            "source_id": source["id"],
            **{name: source[name] for name in ("source", "plan")},
            "start": start,
            "stop": stop,
            "state": "done",
            "error": DAMAGED,
            **_EMPTY,
            "frames_decoded": len(pts),
            "keyframes": len(pts),
            "regions": len(_pts(audited, "regions", source["id"], part)),
            "first_pts": min(pts, default=None),
            "last_pts": max(pts, default=None),
            "committed_at": time.utc(),
            "checksum": None,
            "lease": leases[pts[0]] if pts else None,
        }


def _remove_unsound_files(audited: AuditedLake, tables: TableWriter, losses: Losses) -> None:
    """Removes files whose rows are wrong in a way that no segment of theirs can be named for."""
    kinds = _kinds(audited)
    finds = (row_checks.duplicates, row_checks.boxes, row_checks.vectors, row_checks.lost_frames)
    going = {source_id for find in (*finds, ledger_checks.known_states) for source_id, _ in find(audited)}
    for source_id in sorted(going & {*kinds}):
        if kinds[source_id] == "feed":
            tables.update("sources", sql.equals("id", source_id), state="complete")
            losses.cannot_come_back(f"some values of {audited.named(source_id)}; `regionlake check` lists them")
        else:
            losses.again.add(audited.named(source_id))
            removal.finish_removals(tables, [source_id])


def _renew_shots(audited: AuditedLake, lake: Lake, tables: TableWriter, losses: Losses) -> None:
    """Computes the shots of complete sources again where they are lost or damaged."""
    wrong = {*_damaged(audited, "shots")["source_id"].to_pylist()}
    wrong |= {source_id for source_id, _ in ledger_checks.shots(audited)}
    entries = {name: entry for name, entry in load_entries(lake).items() if name in wrong}
    tables.delete("shots", "source_id", sorted(wrong))
    plans = read_plans(lake)
    for name, entry in entries.items():
        if entry.state != "complete":
            continue
        try:
            read = read_lake_plan(plans[entry.plan].toml)
        except (KeyError, PlanError):  # made by 0.1.0
            read = None
        if read is None or any(setting.startswith("read.shots") for setting in read.omitted):
            losses.again.add(entry.uri)
            if entry.source is not None and entry.source.kind == "feed":
                tables.update("sources", sql.equals("id", name), state="open")  # the next follower completes it
            else:
                removal.finish_removals(tables, [name])
            continue
        found = fold_sources(lake, {name: entry}, partial(fold_shots, config=read.plan.read.shots))
        tables.append("shots", shots_table([(source, shot) for source, some in found.values() for shot in some]))


def _forget_tracks(audited: AuditedLake, lake: Lake) -> None:
    """Takes tracks back that begin with a lost region."""
    regions = audited.tables["regions"]
    for source_id in sorted({source_id for source_id, _ in row_checks.tracks(audited)}):
        of_source = regions.filter(pc.equal(regions["source_id"], source_id))
        first = pc.index_in(of_source["track"], value_set=of_source["id"], skip_nulls=True)
        begins = of_source["pts"].take(first.combine_chunks().fill_null(0))
        wrong = pc.or_(pc.is_null(first), pc.less(of_source["pts"], begins))
        gone = sorted({*of_source["track"].filter(wrong).drop_null().to_pylist()})
        for at in range(0, len(gone), 200):
            some = sql.is_in("track", gone[at : at + 200])
            _null_tracks(lake, sql.all_of(sql.equals("source_id", source_id), some))


def _null_tracks(lake: Lake, where: str) -> None:
    where = sql.all_of(where, "track IS NOT NULL")
    row_ids = lake.dataset("regions").to_table(columns=[], filter=where, with_row_id=True)["_rowid"].to_numpy()
    write_column(lake, "track", row_ids, pa.nulls(len(row_ids), pa.string()))


def _damaged(audited: AuditedLake, name: TableName) -> pa.Table:
    """The rows of a table that do not have their own checksum."""
    table = audited.tables.get(name)
    if table is None or "checksum" not in table.schema.names:
        return pa.table({"id": pa.array([], pa.string()), "source_id": pa.array([], pa.string())})
    return table.take(pa.array(damaged_rows(table, ledger=name == "segments"), pa.int64()))


def _unsound_segments(audited: AuditedLake) -> list[dict[str, Any]]:
    """The done rows of the ledger that do not agree with the rows in their span."""
    done = audited.done
    checksums = done["checksum"].to_pylist()
    wrong = np.zeros(done.num_rows, bool)
    for at, name in enumerate(ROW_TABLES):
        found, placed = segment_sums(audited, name), audited.placed[name]
        if name != "patches":
            counts = np.bincount(placed[placed >= 0], minlength=done.num_rows)
            wrong |= counts != ints(done, "keyframes" if name == "frames" else "regions")
        for number, text in enumerate(checksums):
            wrong[number] |= text is not None and SegmentChecksum.parse(text).sums[at] != int(found[number])
    rows: list[dict[str, Any]] = done.take(pa.array(np.flatnonzero(wrong))).to_pylist()
    return rows


def _kinds(audited: AuditedLake) -> dict[str, str | None]:
    sources = audited.tables["sources"]
    return dict(zip(sources["id"].to_pylist(), sources["kind"].to_pylist(), strict=True))


def _some(table: pa.Table) -> Iterator[dict[str, str]]:
    yield from table.select(["source_id", "source"]).group_by(["source_id", "source"]).aggregate([]).to_pylist()


def _pts(audited: AuditedLake, name: TableName, source_id: str, span: Span) -> list[int]:
    table = audited.tables[name]
    pts = table.filter(pc.equal(table["source_id"], source_id))["pts"].to_pylist()
    return [each for each in pts if each in span]
