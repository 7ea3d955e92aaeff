"""Catches a decoder that stops the whole run because it hangs or dies, or that outlives its parent."""

import os
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import pytest

from pipeline.ingest.packets import FramePacket, SegmentFailure, Work
from pipeline.reading.child import Child
from pipeline.reading.keyframe_stream import ReadConfig
from pipeline.reading.read_segment import SegmentReader
from pipeline.reading.reader_process import CHILD_CODE, ReaderProcess
from pipeline.reading.reader_requests import Alive, ProbeRequest
from pipeline.reading.sources import Location
from schemas.errors import SourceError
from schemas.file_names import uri_of_path
from schemas.frames import Keyframe
from schemas.sources import Segment, SegmentReport, Source
from tests.integration.clips import make_clip
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Location:
    path = make_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", seed=5, seconds=20)
    return Location(str(path), str(path))


def state_of(pid: int) -> str:
    """One letter, as in ps; "" where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def whole(source: Source, location: Location) -> Work:
    return Work(Segment(source, source.span, "id"), location)


def test_the_child_reads_what_this_process_would_read(clip: Location) -> None:
    with ReaderProcess(ReadConfig(), timeout_s=30) as reader:
        source = reader.probe(clip)
        packets = list(reader.read(whole(source, clip)))
    direct = list(SegmentReader(ReadConfig())(Segment(source, source.span, "id"), clip.address))
    keyframes = [k for p in packets for k in p.keyframes]
    assert [p.head.number for p in packets] == list(range(len(packets)))
    assert [p.head.end for p in packets[:-1]] == [None] * (len(packets) - 1)
    assert packets[-1].head.end == direct[-1]
    expected = [k for k in direct if isinstance(k, Keyframe)]
    assert [(k.pts, k.reason, k.image.tobytes()) for k in keyframes] == [
        (k.pts, k.reason, k.image.tobytes()) for k in expected
    ]


def test_frames_of_a_stored_source_are_read_again_whatever_its_name(clip: Location, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9\n.mp4")
    os.link(clip.address, path)
    stored = uri_of_path(str(path))
    with ReaderProcess(ReadConfig(), timeout_s=30) as reader:
        source = reader.probe(clip)
        [(image,)] = reader.frames(Location(stored, stored), source.id, [source.span.start])
        [(same,)] = reader.frames(clip, source.id, [source.span.start])
    assert image.tobytes() == same.tobytes()


def test_a_killed_child_is_replaced_and_its_packets_come_again_with_their_numbers(clip: Location) -> None:
    with ReaderProcess(ReadConfig(), timeout_s=30) as reader:
        source = reader.probe(clip)
        first = reader.pid
        packets: dict[int, FramePacket] = {}
        for packet in reader.read(whole(source, clip)):
            packets[packet.head.number] = packet
            if reader.pid == first and first is not None:
                os.kill(first, signal.SIGKILL)
        assert reader.pid != first
    last = max(packets)
    assert isinstance(packets[last].head.end, SegmentReport)
    keyframes = [k.pts for n in sorted(packets) for k in packets[n].keyframes]
    direct = SegmentReader(ReadConfig())(Segment(source, source.span, "id"), clip.address)
    assert keyframes == [k.pts for k in direct if isinstance(k, Keyframe)]


def test_a_child_killed_in_the_middle_of_a_message_is_replaced_too(clip: Location) -> None:
    with ReaderProcess(ReadConfig(), timeout_s=30) as reader:
        source = reader.probe(clip)
        packets = reader.read(whole(source, clip))
        next(packets)
        first = reader.pid
        assert first is not None
        time.sleep(2)  # a packet of pictures does not fit into the pipe: the child waits with the rest of it
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: state_of(first) in ("", "Z"))  # then the kernel has killed its confined reader too
        last = list(packets)[-1]
        assert reader.pid != first
    assert isinstance(last.head.end, SegmentReport)


def test_a_child_that_makes_no_progress_is_killed_and_its_segment_quarantined(clip: Location) -> None:
    with ReaderProcess(ReadConfig(), timeout_s=30) as reader:
        source = reader.probe(clip)
    with ReaderProcess(ReadConfig(), timeout_s=20) as reader:
        reader.probe(clip)
        stopped = reader.pid
        assert stopped is not None
        os.kill(stopped, signal.SIGSTOP)  # what a hanging decoder looks like from outside
        [packet] = list(reader.read(whole(source, clip)))
        assert isinstance(packet.head.end, SegmentFailure)
        assert "no progress for 20 s" in packet.head.end.error
        assert packet.head.end.error.startswith(clip.uri)
        assert not Path(f"/proc/{stopped}").exists()
        assert reader.probe(clip) == source  # a new child answers


def test_errors_of_the_child_are_those_of_the_probe(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    with ReaderProcess(ReadConfig(), timeout_s=30) as reader:
        with pytest.raises(SourceError, match=r"text\.mp4 cannot be read as a video"):
            reader.probe(Location(str(text), str(text)))
        before = reader.pid
        with pytest.raises(SourceError, match="does not exist"):
            reader.probe(Location("gone.mp4", str(tmp_path / "gone.mp4")))
        assert reader.pid == before  # a bad file costs no child


def test_a_parent_hears_of_every_scan_of_a_probe(clip: Location) -> None:
    """One that hears nothing for `timeout_s` kills the child and quarantines the file."""
    child = Child(CHILD_CODE)
    try:
        child.connection.send(ReadConfig())
        child.connection.send(ProbeRequest(clip))
        messages = list(iter(child.receive, None))
    finally:
        child.close()
    hashed = -(-Path(clip.address).stat().st_size // 2**20)  # one beat a MiB
    [source] = [m for m in messages if isinstance(m, Source)]
    frames = (source.span.stop - source.span.start) * source.clock.time_base * Fraction(source.frame_rate)
    assert sum(isinstance(m, Alive) for m in messages) >= hashed + frames // 32 - 1


def test_the_child_ends_when_its_parent_is_killed(clip: Location) -> None:
    code = (
        "import sys, time\n"
        "from pipeline.reading.reader_process import ReaderProcess\n"
        "from pipeline.reading.keyframe_stream import ReadConfig\n"
        "from pipeline.reading.sources import Location\n"
        "r = ReaderProcess(ReadConfig(), timeout_s=30)\n"
        f"r.probe(Location('x', {clip.address!r}))\n"
        "print(r.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert Path(f"/proc/{child}").exists()
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{child}").exists()


def test_a_reader_that_is_stopped_ends_where_it_is_and_starts_no_child_again(clip: Location) -> None:
    with ReaderProcess(ReadConfig(), timeout_s=30) as reader:
        work = whole(reader.probe(clip), clip)
        threading.Timer(0.2, reader.stop).start()
        packets = [packet for _ in range(50) for packet in reader.read(work)]
        assert [p for p in packets if isinstance(p.head.end, SegmentFailure)] == []  # the file is not to blame
        assert len(packets) < 50
        assert reader.pid is None
        assert list(reader.read(work)) == []
