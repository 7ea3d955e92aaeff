"""Status: catches wrong counts, and refused inputs that are not listed."""

from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.lake.audit.lake_status import RecordedFeed, Refusal, status
from pipeline.lake.lake import Lake
from schemas.sources import Source
from tests.pipeline.lake.conftest import OpenWriter
from tests.pipeline.lake.synthetic import World


@dataclass(frozen=True, slots=True)
class Recording(World):
    """Of a feed, from the hour of its number."""

    feed: str = "gate"

    @property
    def source(self) -> Source:
        return replace(World.source.fget(self), kind="feed", uri=f"{self.feed}#2026-05-01T{self.number:02}:00:00.000Z")  # type: ignore[attr-defined]


def test_status_counts_rows_states_and_names_what_was_refused(lake: Lake, open_writer: OpenWriter) -> None:
    done, partly = World(0), World(1)
    with open_writer() as writer:
        writer.commit([done.rows(s) for s in done.segments(2)])
        first, second = partly.segments(2)
        writer.commit([partly.rows(first)])
        writer.fail(second, state="failed", error="the decoder hung")
        writer.quarantine("/videos/text.mp4", error="not a video")
        assert status(lake).writer is not None
    found = status(lake)
    assert found.writer is None
    assert found.sources == {"complete": 1, "open": 1, "quarantined": 1}
    assert found.segments == {"done": 3, "failed": 1}
    assert found.frames_decoded == 150
    assert {name: table.rows for name, table in found.tables.items()} == {
        "sources": 3, "segments": 4, "shots": 4, "frames": 30, "regions": 180, "patches": 0, "plans": 1,
    }  # fmt: skip
    assert found.refusals == (
        Refusal("/videos/text.mp4", None, "quarantined", "not a video"),
        Refusal(partly.source.uri, (5.0, 10.0), "failed", "the decoder hung"),
    )
    assert found.tables["frames"].fragments == 2
    assert found.vector_bytes == {"frames": 32, "parts": 0, "regions": 6 * 32, "patches": 0}  # 16 dimensions of 2 bytes


def test_bytes_are_those_on_disk(lake: Lake, open_writer: OpenWriter) -> None:
    world = World(0)
    with open_writer() as writer:
        writer.commit([world.rows(s) for s in world.segments()])
    found = status(lake)
    files = [path for path in Path(lake.uri).rglob("*") if path.is_file()]
    assert found.disk_bytes == sum(path.stat().st_size for path in files)
    data = [path for path in files if path.parent == Path(lake.uri) / "regions.lance" / "data"]
    assert found.tables["regions"].data_bytes == sum(path.stat().st_size for path in data)


def test_recordings_are_told_by_feed_and_what_they_lost_by_reason(lake: Lake, open_writer: OpenWriter) -> None:
    early, late, yard = Recording(8), Recording(9), Recording(10, feed="yard")
    with open_writer() as writer:
        for world in (late, early):
            first, second, third = world.segments(3)
            rows = world.rows(first)
            writer.commit([replace(rows, report=replace(rows.report, shed=2))])
            writer.fail(second, state="failed", error="broke off", lost=40)
            writer.fail(third, state="failed", error="killed")
        writer.end(replace(early.source, span=early.segments(3)[0].span))
        writer.commit([yard.rows(s) for s in yard.segments()])
    found = status(lake)
    keyframes = early.rows(early.segments(3)[0]).frames.num_rows
    lost = {"broke off": 80, "killed": 0}
    assert found.feeds == (
        RecordedFeed("gate", 2, 1, "2026-05-01T08:00:00.000Z", 2 * keyframes, 4, lost),
        RecordedFeed("yard", 1, 0, "2026-05-01T10:00:00.000Z", 20, 0, {}),
    )
    assert found.refusals == (), "a feed loses much in a year"
