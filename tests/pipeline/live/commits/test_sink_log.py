"""The log of the sink: catches a lake that goes out of reach or comes back without a line, or with one an attempt."""

import logging
import threading
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.lake.ledger import SourceEntry
from pipeline.live.account.losses import Lost, RecordingEnded
from pipeline.live.commits.batch import Batch
from pipeline.live.commits.sink import Sink
from pipeline.live.commits.spool import Spool
from pipeline.runtime.backoff import BackoffConfig
from schemas.clock import Clock, Span
from schemas.errors import LakeError
from schemas.sources import Segment, Source

URI = "gate#2026-05-01T12:00:00.250Z"
RECORDING = Source(URI, "id", "feed", Clock(Fraction(1, 1000)), Span(0, 10), 64, 48, (0,), 25.0, "h264")


class _Writer:
    """Refuses the first three times."""

    def __init__(self) -> None:
        self.refusals = 3

    def commit(self, rows: Sequence[SegmentRows], **_: object) -> int:
        return len(rows)

    def fail(self, *_: object, **__: object) -> None:
        if self.refusals:
            self.refusals -= 1
            raise LakeError("no space left")

    def end(self, _: Source) -> None: ...

    def open_recordings(self, besides: Sequence[Source] = ()) -> list[SourceEntry]:
        return [SourceEntry(each.uri, "plan", "open", each) for each in besides]

    def register(self, source: Source, **_: object) -> list[Span]:
        return [source.span]

    def quarantine(self, *_: object, **__: object) -> None: ...

    def close(self) -> None: ...


def test_out_of_reach_is_told_once_and_what_came_of_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    done = threading.Event()
    backoff = BackoffConfig(first_s=0.01, longest_s=0.01)
    sink = Sink(_Writer(), Spool(tmp_path), backoff=backoff, on_commit=lambda _: done.set())
    lost = Lost(Segment(RECORDING, Span(0, 5), "segment"), 7, "broke off")
    sink.put(Batch(lost=(lost,), ended=(RecordingEnded(RECORDING, "the next recording begins"),)))
    assert done.wait(10)
    sink.close()
    out, back, frames, ended = caplog.records
    assert (out.levelname, str(vars(out)["error"])) == ("WARNING", "no space left")
    assert (back.levelname, back.getMessage()) == ("WARNING", "the lake is in reach again")
    assert (vars(frames)["feed"], vars(frames)["frames"], vars(frames)["reason"]) == ("gate", 7, "broke off")
    assert (vars(ended)["feed"], vars(ended)["recording"]) == ("gate", URI)
