"""Checks that the ledger is consistent: `sources`, `segments`, `plans`, and the shots computed from them."""

from collections.abc import Iterator
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.lake.audit.audited_lake import (
    INGEST_AGAIN,
    REPLACE,
    TABLES_OF_SOURCES,
    AuditedLake,
    Problem,
    ints,
    pairs,
    source_column,
)
from pipeline.lake.lake import REPEATS_LEFT
from pipeline.lake.ledger import SegmentState, SourceState
from pipeline.lake.spans import spans_by_source
from pipeline.plan.legacy_hash import is_legacy
from pipeline.plan.plan_hash import form_hash
from schemas.clock import Span
from schemas.tables import TableName


def shared_places(audited: AuditedLake) -> Iterator[Problem]:
    """Each address has one complete source; if it has more, the file was overwritten."""
    sources = audited.tables["sources"]
    complete = sources.filter(pc.equal(sources["state"], "complete"))
    ids: dict[str, set[str]] = {}
    for source, uri in pairs(complete, "id", "source"):
        ids.setdefault(uri, set()).add(source)
    for uri, held in ids.items():
        if len(held) > 1:
            for source in sorted(held):
                yield (
                    source,
                    f"sources: {source} at {uri} is complete, and so are {len(held) - 1} others at that address: "
                    f"the file was overwritten; {REPLACE}",
                )


def unknown_sources(audited: AuditedLake) -> Iterator[Problem]:
    """Every row belongs to a source that is in `sources`."""
    for name in TABLES_OF_SOURCES:
        table = audited.tables[name]
        counts = pc.value_counts(table["source_id"])
        lost = counts.filter(pc.invert(pc.is_in(counts.field("values"), value_set=audited.tables["sources"]["id"])))
        for one in lost.to_pylist():
            source, count = one["values"], one["counts"]
            yield source, f"{name}: {count} rows are of source {source}, which is not in `sources`; {REPLACE}"


def known_states(audited: AuditedLake) -> Iterator[Problem]:
    """No state is one that is never written."""
    states: dict[TableName, tuple[str, ...]] = {"sources": get_args(SourceState), "segments": get_args(SegmentState)}
    for name, known in states.items():
        table = audited.tables[name]
        for row in table.filter(pc.invert(pc.is_in(table["state"], value_set=pa.array(known)))).to_pylist():
            yield (
                row[source_column(table)],
                f"{name}: the state of {row['id']} of {row['source']} is {row['state']!r}, expected one of "
                f"{', '.join(known)}; {REPLACE}",
            )


def ledger_states(audited: AuditedLake) -> Iterator[Problem]:
    """No commit, removal or completion is unfinished, and a source has one plan."""
    segments = audited.tables["segments"]
    for row in segments.filter(pc.equal(segments["state"], "writing")).to_pylist():
        yield (
            row["source_id"],
            f"segments: [{row['start']}, {row['stop']}) of {row['source']} is `writing`: a commit is in progress, or "
            f"was interrupted; the next `regionlake ingest` undoes it",
        )
    for name in ("sources", "segments"):
        table = audited.tables[name]
        going = table.filter(pc.equal(table["state"], "removing"))
        for source_id, uri in sorted({*pairs(going, source_column(table), "source")}):
            yield (
                source_id,
                f"{name}: {uri} is `removing`: a removal is in progress, or was interrupted; the next "
                "`regionlake ingest` or `regionlake upkeep` finishes it",
            )
    left = segments.filter(pc.equal(segments["error"], REPEATS_LEFT))
    for source_id, uri in sorted({*pairs(left, "source_id", "source")}):
        yield (
            source_id,
            f"segments: regions of {uri} that repeat earlier ones are being removed, or this was interrupted; the next "
            "`regionlake ingest` or `regionlake upkeep` finishes it",
        )
    plans = dict(pairs(audited.tables["sources"], "id", "plan"))
    for source, plan in sorted({*pairs(audited.done, "source_id", "plan")}):
        if source in plans and plans[source] != plan:
            yield (
                source,
                f"segments: {audited.named(source)} has rows of plan {plan}, expected {plans[source]}, "
                f"its plan in `sources`; {REPLACE}",
            )


def plans(audited: AuditedLake) -> Iterator[Problem]:
    """The plan of every source is stored, with settings that match its hash."""
    kept = dict(pairs(audited.tables["plans"], "id", "settings")) if "plans" in audited.tables else {}
    named = {*pairs(audited.tables["sources"], "id", "plan"), *pairs(audited.done, "source_id", "plan")}
    for source, plan in sorted(named):
        if is_legacy(plan):
            continue  # 0.1.0 stored no plans
        if plan not in kept:
            yield source, f"plans: {plan}, which made rows of {audited.named(source)}, is missing; {INGEST_AGAIN}"
        elif form_hash(kept[plan]) != plan:
            yield source, f"plans: {plan}, of {audited.named(source)}, does not match its settings; {REPLACE}"


def overlaps(audited: AuditedLake) -> Iterator[Problem]:
    """The done segments of a source do not overlap."""
    code, start, stop = audited.codes(audited.done), ints(audited.done, "start"), ints(audited.done, "stop")
    order = np.lexsort((start, code))
    here, after = order[:-1], order[1:]
    clash = (code[here] == code[after]) & (stop[here] > start[after])
    for a, b in zip(here[clash].tolist(), after[clash].tolist(), strict=True):
        source = audited.source_id(code[a])
        yield (
            source,
            f"segments: [{start[a]}, {stop[a]}) and [{start[b]}, {stop[b]}) of {audited.named(source)} are both done "
            f"and overlap; {REPLACE}",
        )


def coverage(audited: AuditedLake) -> Iterator[Problem]:
    """A source is complete if and only if its segments cover it."""
    feeds = audited.tables["sources"].filter(pc.equal(audited.tables["sources"]["kind"], "feed"))["id"]
    segments = audited.tables["segments"]
    # lost frames of a feed cannot be read again: its recordings are completed without them
    lost = pc.and_(pc.equal(segments["state"], "failed"), pc.is_in(segments["source_id"], value_set=feeds))
    settled = pa.concat_tables([audited.done, segments.filter(pc.or_(lost, pc.equal(segments["state"], "removed")))])
    spans = spans_by_source(settled)
    for row in audited.tables["sources"].to_pylist():
        if row["state"] == "quarantined" or row["start"] is None:
            continue
        left = Span(row["start"], row["stop"]).minus(spans[row["id"]])
        if row["state"] == "complete" and left:
            missing = ", ".join(f"[{s.start}, {s.stop})" for s in left[:3])
            yield (
                row["id"],
                f"sources: {row['source']} is complete, but {missing} is not done in `segments`; {REPLACE}",
            )
        if row["state"] == "open" and not left:
            yield row["id"], f"sources: all of {row['source']} is done, but it is still open; {INGEST_AGAIN}"


def shots(audited: AuditedLake) -> Iterator[Problem]:
    """The shots of a complete source cover each of its ticks once; other sources have no shots."""
    segments = audited.tables["segments"]
    removed = segments.filter(pc.equal(segments["state"], "removed"))
    found: dict[str, list[tuple[int, int]]] = {}
    for row in (*audited.tables["shots"].to_pylist(), *removed.to_pylist()):  # removed spans have no shots
        found.setdefault(row["source_id"], []).append((row["start"], row["stop"]))
    decoded = audited.done.group_by("source_id").aggregate([("frames_decoded", "sum")])
    with_frames = {source for source, count in pairs(decoded, "source_id", "frames_decoded_sum") if count}
    for row in audited.tables["sources"].to_pylist():
        has = sorted(found.get(row["id"], []))
        if row["state"] != "complete":
            if has:
                yield (
                    row["id"],
                    f"shots: {len(has)} of {row['source']}, which is {row['state']}, expected none; {INGEST_AGAIN}",
                )
            continue
        if not has and row["id"] not in with_frames:
            continue
        starts, stops = [start for start, _ in has], [stop for _, stop in has]
        if [*starts, row["stop"]] != [row["start"], *stops]:
            yield (
                row["id"],
                f"shots: those of {row['source']} do not cover [{row['start']}, {row['stop']}) without gap or "
                f"overlap, got {has[:5]}{' …' if len(has) > 5 else ''}; {REPLACE}",
            )
