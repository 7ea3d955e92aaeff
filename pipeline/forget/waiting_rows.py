"""Forgets what waits for a lake on disk: batches of rows, and counts of frames that are in flight."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from operators.runtime.atomic_write import atomic_write
from pipeline.forget.places import Place
from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.live.commits.batch import Batch, read_batch, read_contents, write_batch
from pipeline.live.commits.stored_json import received_from_json
from pipeline.live.status.state_folder import StateFolder
from schemas.clock import Span
from schemas.ids import segment_id
from schemas.sources import Segment, Source


def waiting_sources(state: StateFolder) -> list[Source]:
    """The sources of which something waits on disk. Raises LakeError where a batch cannot be read."""
    found = [source for path in _batches(state) for source in _sources(read_batch(path))]
    return found + [received_from_json(each).source for each in _in_flight(state)]


def forget_waiting(state: StateFolder, places: Sequence[Place]) -> int:
    """Rewrites the batches without these places, and the counts without whole ones; returns how many files changed."""
    changed = 0
    for path in _batches(state):
        batch = read_batch(path)
        kept = _without(batch, places)
        if kept is not batch:
            changed += 1
            _replace(path, kept, in_spool=path.parent == state.spool)
    whole = {place.source_id for place in places if place.span is None}
    stored = _in_flight(state)
    left = [each for each in stored if each["source"]["id"] not in whole]
    if len(left) < len(stored):
        changed += 1
        described = json.loads(state.in_flight.read_text())
        with atomic_write(state.in_flight) as path:
            path.write_text(json.dumps({**described, "received": left}))
    return changed


def _batches(state: StateFolder) -> Iterator[Path]:
    """Batches that wait, and those that were set aside."""
    yield from sorted(state.path.rglob("*.zip"))


def _in_flight(state: StateFolder) -> list[dict[str, dict[str, str]]]:
    try:
        found: list[dict[str, dict[str, str]]] = json.loads(state.in_flight.read_text())["received"]
    except FileNotFoundError:
        return []
    return found


def _sources(batch: Batch) -> list[Source]:
    return [
        *(rows.segment.source for rows in batch.rows),
        *(lost.segment.source for lost in batch.lost),
        *(ended.source for ended in batch.ended),
    ]


def _without(batch: Batch, places: Sequence[Place]) -> Batch:
    by_id = {place.source_id: place for place in places}
    rows: list[SegmentRows] = []
    for each in batch.rows:
        place = by_id.get(each.segment.source.id)
        if place is None or (place.span is not None and place.span.intersection(each.segment.span) is None):
            rows.append(each)
        elif place.span is not None:
            rows += [_part(each, span) for span in each.segment.span.minus([place.span])]

    def stays(source: Source, span: Span | None) -> bool:
        place = by_id.get(source.id)
        return place is None or (place.span is not None and (span is None or bool(span.minus([place.span]))))

    lost = tuple(each for each in batch.lost if stays(each.segment.source, each.segment.span))
    ended = tuple(each for each in batch.ended if stays(each.source, None))
    same = [*map(id, rows)] == [*map(id, batch.rows)] and (lost, ended) == (batch.lost, batch.ended)
    return batch if same else replace(batch, rows=tuple(rows), lost=lost, ended=ended)


def _part(rows: SegmentRows, span: Span) -> SegmentRows:
    """The rows of a part of a segment; counts of frames are divided in proportion to time."""
    whole, report = rows.segment.span, rows.report

    def share(count: int) -> int:
        return count * (span.stop - span.start) // (whole.stop - whole.start)

    def within(table: pa.Table) -> pa.Table:
        return table.filter(pc.and_(pc.greater_equal(table["pts"], span.start), pc.less(table["pts"], span.stop)))

    decoded = (
        None if report.first_pts is None or report.last_pts is None else Span(report.first_pts, report.last_pts + 1)
    )
    held = decoded.intersection(span) if decoded is not None else None
    source = rows.segment.source
    return replace(
        rows,
        segment=Segment(source, span, segment_id(source.id, rows.plan, span)),
        report=replace(
            report,
            frames_decoded=share(report.frames_decoded),
            near_duplicates=share(report.near_duplicates),
            shed=share(report.shed),
            first_pts=None if held is None else held.start,
            last_pts=None if held is None else held.stop - 1,
            cut_events=tuple(event for event in report.cut_events if event.pts in span),
        ),
        frames=within(rows.frames),
        regions=within(rows.regions),
        patches=None if rows.patches is None else within(rows.patches),
    )


def _replace(path: Path, batch: Batch, *, in_spool: bool) -> None:
    if not batch and not in_spool:  # a follower expects the files of its spool
        path.unlink()
        return
    refusal = read_contents(path).refusal
    with atomic_write(path) as made:
        write_batch(made, batch, refusal=refusal)
