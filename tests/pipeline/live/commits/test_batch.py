"""Catches rows that change while they wait on disk, damage that is read as rows, and files that run code when read."""

import json
import os
import pickle
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.live.account.losses import Lost
from pipeline.live.commits.batch import Batch, Refusal, read_batch, read_contents, write_batch
from pipeline.live.commits.first_release import set_aside_pickles
from pipeline.live.commits.in_flight import InFlight
from pipeline.live.commits.spool import Spool
from pipeline.live.commits.stored_json import source_from_json, source_to_json
from pipeline.live.status.state_folder import StateFolder
from schemas.clock import Clock, Span
from schemas.errors import LakeError
from schemas.shots import CutEvent
from schemas.sources import SegmentReport, Source
from schemas.tables import frames_schema
from schemas.vectors import VectorSpace
from tests.pipeline.lake.synthetic import PLAN, stored
from tests.pipeline.live.packets import ended, packet, recording

SPACE = VectorSpace("model", "1", 4, "none")
GATE = recording()


def full_batch() -> Batch:
    """Every field of it is set, in one segment or the other."""
    segment = packet(GATE, 0, 10).head.segment
    report = SegmentReport(10, 3, 0, 9, (CutEvent(4, 3, "cut"), CutEvent(8, 7, "fade_in")), shed=2)
    frames = pa.table(
        {
            field.name: [np.zeros(4, np.float16)] if field.name == "vector" else pa.nulls(1, field.type)
            for field in frames_schema(SPACE)
        },
        schema=frames_schema(SPACE),
    )
    regions = pa.table({"pts": [1, 2, 3], "label": ["a", None, "c"]})
    with_patches = SegmentRows(segment, "plan", report, frames, regions, pa.table({"rows": [14]}))
    without = SegmentRows(
        packet(GATE, 10, 20).head.segment, "plan", SegmentReport(0, 0, None, None, ()), frames[:0], regions[1:2], None
    )
    lost = Lost(packet(GATE, 20, 30).head.segment, 7, "the decoder died (SIGKILL)")
    refused = Lost(packet(GATE, 30, 40).head.segment, 0, "no pictures", "quarantined")
    return Batch((with_patches, without), (lost, refused), (ended(GATE, 40),))


def same(a: Batch, b: Batch) -> bool:
    def plain(rows: SegmentRows) -> tuple[object, ...]:
        return rows.segment, rows.plan, rows.report

    tables = [
        (getattr(x, name), getattr(y, name))
        for x, y in zip(a.rows, b.rows, strict=True)
        for name in ("frames", "regions", "patches")
    ]
    return (
        [plain(rows) for rows in a.rows] == [plain(rows) for rows in b.rows]
        and (a.lost, a.ended, a.plan) == (b.lost, b.ended, b.plan)
        and all(x is y is None or x.equals(y, check_metadata=True) for x, y in tables)
    )


def test_a_batch_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_batch(tmp_path / "batch", full_batch())
    assert same(read_batch(tmp_path / "batch"), full_batch())
    refusal = Refusal(datetime(2026, 5, 1, 12, tzinfo=UTC), "another plan")
    planned = replace(full_batch(), plan=stored())
    write_batch(tmp_path / "planned", planned, refusal=refusal)
    assert same(read_batch(tmp_path / "planned"), planned)
    contents = read_contents(tmp_path / "planned")
    assert (contents.segments, contents.plan, contents.refusal) == (tuple(planned.segments), PLAN, refusal)
    assert contents.ended == (ended(GATE, 40).source,)
    write_batch(tmp_path / "empty", Batch())
    assert not read_batch(tmp_path / "empty")


def test_whatever_byte_is_damaged_it_is_an_error_and_never_other_rows(tmp_path: Path) -> None:
    path = tmp_path / "batch"
    write_batch(path, full_batch())
    whole = path.read_bytes()
    refused = 0
    for at in range(0, len(whole), 13):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            assert same(read_batch(path), full_batch())  # a date in the zip's own headers, for one
        except LakeError:
            refused += 1
    assert refused > 0.8 * len(whole) / 13
    for size in range(0, len(whole), 101):
        path.write_bytes(whole[:size])
        with pytest.raises(LakeError, match="damaged"):
            read_batch(path)


def test_a_batch_of_another_release_is_set_aside_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with zipfile.ZipFile(tmp_path / "000000000004.zip", "w") as archive:
        archive.writestr("batch.json", json.dumps({"version": 99}))
    spool = Spool(tmp_path)
    assert not len(spool)
    assert "has version 99, this release reads 1" in caplog.text
    spool.append(full_batch())
    assert [path.name for path in tmp_path.glob("*.zip")] == ["000000000005.zip"]
    [aside] = spool.refused.read()
    assert (aside.name, aside.file.name, aside.contents) == ("000000000004", "000000000004.unreadable", None)
    assert "has version 99" in aside.reason


@settings(max_examples=30, deadline=None)
@given(
    numerator=st.integers(1, 10**6),
    denominator=st.integers(1, 10**6),
    began=st.none() | st.datetimes(timezones=st.just(UTC)),
    start=st.integers(-(2**62), 2**62),
    rate=st.floats(0, 1000),
    uri=st.text(),
)
def test_every_source_is_read_as_it_was_written(
    numerator: int, denominator: int, began: datetime | None, start: int, rate: float, uri: str
) -> None:
    clock = Clock(Fraction(numerator, denominator), began)
    span = Span(start, start + 2**62)
    source = Source(uri, "id", "feed", clock, span, 64, 48, (start, start + 9), rate, "h264")
    assert source_from_json(json.loads(json.dumps(source_to_json(source)))) == source


class _Runs:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self._mark),)


def test_pickles_of_the_first_release_are_never_read_and_the_log_says_what_to_do(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state, mark = StateFolder(tmp_path / "state"), tmp_path / "ran"
    state.spool.mkdir(parents=True)
    for file in (state.spool / "000000000000.batch", state.path / "in-flight"):
        file.write_bytes(pickle.dumps(_Runs(mark)))
    set_aside_pickles(state)
    assert not len(Spool(state.spool))
    assert not InFlight(state.in_flight).earlier
    assert not mark.exists()
    kept = state.path / "of-0.1.0"
    assert (kept / "spool" / "000000000000.batch").is_file()
    assert (kept / "in-flight").is_file()
    rows, counts = (record.getMessage() for record in caplog.records)
    assert "1 batches" in rows
    assert f"move them back to {state.spool} and follow with 0.1.0" in rows
    assert "not counted as lost" in counts
    caplog.clear()
    set_aside_pickles(state)
    assert not caplog.records


def test_counts_in_which_a_field_is_missing_are_not_taken_for_none_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "in-flight.json"
    stored = replace(GATE, span=Span(0, 31))
    file.write_text(json.dumps({"version": 1, "received": [{"source": source_to_json(stored), "stop": 31}]}))
    assert not InFlight(file).earlier
    assert "not known: " in caplog.text
