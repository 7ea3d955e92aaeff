"""Catches a folder whose half-written files are ingested, or files twice, or that ends with a lake out of reach; and an
empty folder that is reported as an error."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

from pipeline.ingest.packets import FramePacket, SegmentFailure
from pipeline.live.feeds.feed_list import entry_of
from pipeline.live.feeds.folder_feed import FolderFeed
from pipeline.plan.plan import Plan
from pipeline.reading.sources import Failure
from schemas.clock import Span
from schemas.errors import FileChangedError, LakeError
from schemas.recorder_names import NameRule
from schemas.sources import SegmentReport, Source
from tests.clips import Clips
from tests.waiting import wait_until


def test_a_file_is_taken_once_when_it_is_at_rest_and_again_when_the_lake_is_back(clips: Clips, tmp_path: Path) -> None:
    folder = tmp_path / "dropped"
    folder.mkdir()
    (folder / "bad.mp4").write_text("no video")
    away = [LakeError("the bucket does not answer")]
    registered: list[str] = []
    refused: list[Failure] = []

    def register(source: Source) -> list[Span]:
        if away:
            raise away.pop()
        registered.append(source.uri)
        return [source.span]

    feed = FolderFeed("yard", folder, Plan(), register=register, refuse=refused.append, settle_s=1.0)
    packets: list[FramePacket] = []

    def seen() -> bool:
        item = feed.poll()
        if isinstance(item, FramePacket):
            packets.append(item)
        return bool(packets) and packets[-1].head.end is not None

    (folder / "clip.mp4").write_bytes(clips("plain.mp4").read_bytes())
    wait_until(seen)
    assert registered == [str(folder / "clip.mp4")]  # the first time the lake was away
    assert not away
    assert [failure.uri for failure in refused] == [str(folder / "bad.mp4")]

    report = packets[-1].head.end
    assert isinstance(report, SegmentReport)
    assert report.frames_decoded == 100
    assert [packet.head.number for packet in packets] == list(range(len(packets)))
    assert all(len(packet.keyframes) <= 2 for packet in packets)
    status = feed.status()
    kept = sum(len(packet.keyframes) for packet in packets)
    assert (status.received, status.kept, status.not_selected) == (100, kept, 100 - kept)

    os.utime(folder / "bad.mp4", (1, 1))  # as good as another file: it is looked at again
    wait_until(lambda: len(refused) == 2)
    assert len(registered) == 1
    feed.stop()
    wait_until(lambda: feed.ended)


def test_an_empty_folder_has_no_error_and_a_refusal_is_repeated_when_the_lake_is_back(tmp_path: Path) -> None:
    folder = tmp_path / "dropped"
    folder.mkdir()
    away = [LakeError("the disk is full")]
    refused: list[Failure] = []

    def refuse(failure: Failure) -> None:
        if away:
            raise away.pop()
        refused.append(failure)

    feed = FolderFeed("yard", folder, Plan(), register=lambda source: [source.span], refuse=refuse, settle_s=0.0)
    wait_until(lambda: feed.status().state == "live")
    time.sleep(0.2)  # it has looked
    assert feed.status().last_error is None

    (folder / "bad.mp4").write_text("no video")
    wait_until(lambda: bool(refused))
    assert not away
    assert feed.status().state == "live"
    feed.stop()
    wait_until(lambda: feed.ended)


def test_files_of_any_name_are_taken_from_a_folder_of_any_name(clips: Clips, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"dropp\xe9d")
    folder.mkdir()
    for name in (b"caf\xe9.mp4", b"a\nb.mp4"):
        os.link(clips("plain.mp4"), folder / os.fsdecode(name))
    (folder / os.fsdecode(b"bad\xff.mp4")).write_text("no video")
    registered: list[str] = []
    refused: list[Failure] = []

    def register(source: Source) -> list[Span]:
        registered.append(source.uri)
        return []

    entry = entry_of(str(folder))
    feed = FolderFeed(
        entry.shown, Path(entry.address()), Plan(), register=register, refuse=refused.append, settle_s=0.0
    )
    wait_until(lambda: len(registered) == 2 and len(refused) == 1)
    feed.stop()
    wait_until(lambda: feed.ended)
    shown = f"file://{tmp_path}/dropp%E9d"
    assert (feed.name, feed.status().uri) == (shown, shown)
    assert registered == [f"{shown}/a%0Ab.mp4", f"{shown}/caf%E9.mp4"]
    assert refused[0].uri == f"{shown}/bad%FF.mp4"
    refused[0].error.encode()


def test_the_contents_that_a_recorder_writes_under_a_name_again_are_another_recording(
    clips: Clips, tmp_path: Path
) -> None:
    folder = tmp_path / "dropped"
    folder.mkdir()
    path = folder / "cam.mp4"
    held: dict[str, str] = {}  # URI → id, as the lake refuses other contents

    def register(source: Source) -> list[Span]:
        if held.setdefault(source.uri, source.id) != source.id:
            raise FileChangedError(f"{source.uri} has changed")
        return []

    feed = FolderFeed("yard", folder, Plan(), register=register, refuse=lambda _: None, settle_s=0.0)
    for n, written_s in enumerate((1000.25, 2000.5, 2000.5)):
        made = folder / "cam.part"
        made.write_bytes(clips("plain.mp4").read_bytes() + bytes(n))
        os.utime(made, (written_s, written_s))
        made.rename(path)
        wait_until(lambda n=n: len(held) == n + 1)  # type: ignore[misc]
    feed.stop()
    wait_until(lambda: feed.ended)
    times = ["", "#1970-01-01T00:33:20.500Z", "#1970-01-01T00:33:20.501Z"]  # the last two at the same time
    assert list(held) == [f"{path}{time}" for time in times]
    assert feed.status().last_error is None


def test_what_is_read_of_a_file_that_is_overwritten_meanwhile_fails_by_name(clips: Clips, tmp_path: Path) -> None:
    folder = tmp_path / "dropped"
    folder.mkdir()
    path = folder / "cam.mp4"
    path.write_bytes(clips("plain.mp4").read_bytes())

    def register(source: Source) -> list[Span]:
        path.write_bytes(b"other contents")  # after the probe, before the first segment is read
        return [source.span]

    feed = FolderFeed("yard", folder, Plan(), register=register, refuse=lambda _: None, settle_s=0.0)
    wait_until(lambda: feed.ready)
    packet = feed.poll()
    feed.stop()
    wait_until(lambda: feed.ended)
    assert isinstance(packet, FramePacket)
    assert isinstance(packet.head.end, SegmentFailure)
    assert packet.head.end.error == f"{path}: its file was overwritten while it was read"
    assert packet.keyframes == ()


def test_files_have_the_utc_of_their_names_and_one_whose_hour_was_twice_is_named(clips: Clips, tmp_path: Path) -> None:
    folder = tmp_path / "dropped"
    folder.mkdir()
    for name in ("yard_2026-05-01_12-30-00.mp4", "yard_2026-10-25_02-30-00.mp4"):
        (folder / name).write_bytes(clips("plain.mp4").read_bytes())
    registered: dict[str, Source] = {}

    def register(source: Source) -> list[Span]:
        registered[Path(source.uri).name] = source
        return [source.span]

    naming = NameRule("Europe/Berlin", given=True)
    feed = FolderFeed("yard", folder, Plan(), register=register, refuse=lambda _: None, naming=naming, settle_s=0.0)

    def both() -> bool:
        feed.poll()
        return len(registered) == 2 and feed.status().last_error is not None

    wait_until(both)
    feed.stop()
    wait_until(lambda: feed.ended)
    certain, twice = (registered[name] for name in sorted(registered))
    assert certain.clock.utc(certain.span.start) == datetime(2026, 5, 1, 10, 30, tzinfo=UTC)
    assert twice.clock.start_time is None
    assert "was twice" in str(feed.status().last_error)
