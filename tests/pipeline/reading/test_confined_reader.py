"""Catches readers that a hostile file could use: what decodes it has that file alone, and its answers name no code."""

import os
import pickle
import resource
from multiprocessing.connection import Pipe
from pathlib import Path

import pytest

from operators.readers.limits import ReadLimits
from operators.sandbox.confinement import unsupported
from pipeline.ingest.packets import Work
from pipeline.reading.keyframe_stream import ReadConfig
from pipeline.reading.messages import receive
from pipeline.reading.reader_process import ReaderProcess, require_sandbox
from pipeline.reading.sources import Location
from schemas.errors import DecodeError, SandboxError, SourceError
from schemas.sources import Segment, SegmentReport
from tests.clips import Clips
from tests.operators.readers.test_limits import huge_png

complete = pytest.mark.skipif(bool(unsupported()), reason="this kernel cannot confine a process")


def children_of(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


@complete
def test_what_decodes_is_confined_before_the_first_byte_of_a_file(clips: Clips) -> None:
    location = Location("clip", str(clips("plain.mp4")))
    with ReaderProcess(ReadConfig(), timeout_s=60) as reader:
        source = reader.probe(location)
        work = Work(Segment(source, source.span, "id"), location)
        list(reader.read(work))
        assert reader.pid is not None
        [confined] = children_of(reader.pid)
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{confined}/status").read_text().splitlines())
        assert (status["NoNewPrivs"], status["Seccomp"], status["Threads"]) == ("1", "2", "1")
        assert resource.prlimit(confined, resource.RLIMIT_FSIZE) == (0, 0)
        memory, _ = resource.prlimit(confined, resource.RLIMIT_DATA)
        assert 4 * 2**30 < memory < 6 * 2**30
        cpu_s, _ = resource.prlimit(confined, resource.RLIMIT_CPU)
        assert 7200 < cpu_s < 7300
        packets = list(reader.read(work))
        assert isinstance(packets[-1].head.end, SegmentReport)
        assert children_of(reader.pid) == [confined]  # the same reads on


@complete
def test_a_reader_that_takes_too_much_memory_fails_its_file_alone(tmp_path: Path, clips: Clips) -> None:
    config = ReadConfig(limits=ReadLimits(frame_px=10**9, memory_gib=0.25))
    bomb = huge_png(tmp_path / "bomb.png", 16_000)
    location = Location("bomb.png", str(bomb))
    with ReaderProcess(config, timeout_s=60) as reader:
        with pytest.raises(SourceError, match=r"read\.limits\.memory_gib allows \(0\.25 GiB\)"):
            reader.probe(location)
        before = reader.pid
        assert reader.probe(Location("clip", str(clips("plain.mp4")))).kind == "video"
        assert reader.pid == before


@complete
def test_a_reader_that_takes_too_much_cpu_time_is_killed_and_its_limit_named(clips: Clips) -> None:
    """A second is the least that the kernel counts; scanning so many copies of a clip takes longer."""
    config = ReadConfig(limits=ReadLimits(cpu_s=0.01))
    long = clips("plain.mp4").parent / "long.ts"
    long.write_bytes(clips("transport.ts").read_bytes() * 2000)
    try:
        with (
            ReaderProcess(config, timeout_s=120) as reader,
            pytest.raises(SourceError, match=r"more than 0\.01 s of CPU time, which read\.limits\.cpu_s allows"),
        ):
            reader.probe(Location("long.ts", str(long)))
    finally:
        long.unlink()


@complete
def test_a_shot_detector_of_a_plugin_reads_no_private_file(
    clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stands for a decoder that a file has taken over: code in the reading process that opens a file."""
    private = tmp_path / "private.txt"
    private.write_text("secret")
    (tmp_path / "curious.py").write_text(
        "from dataclasses import dataclass\n"
        "from typing import ClassVar\n"
        "from schemas.errors import DecodeError\n"
        "@dataclass(frozen=True, slots=True)\n"
        "class Curious:\n"
        "    name: ClassVar[str] = 'curious'\n"
        "    cut_rule: ClassVar[str] = 'spaced'\n"
        "    def build(self, shots, source, *, first_of_source):\n"
        f"        raise DecodeError('it read ' + open({str(private)!r}).read())\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    from operators.shots.config import ShotConfig

    location = Location("clip", str(clips("plain.mp4")))
    with ReaderProcess(ReadConfig(shots=ShotConfig(detector="curious:Curious")), timeout_s=60) as reader:
        source = reader.probe(location)
        [*_, packet] = reader.read(Work(Segment(source, source.span, "id"), location))
        assert "it read" not in str(packet.head.end)
        assert "PermissionError" in str(packet.head.end)


class _Runs:
    """Makes a folder where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize(
    "content",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"cpipeline.reading.messages\npickle\n.",
        b"cpipeline.reading.download_cache\nlocal_file\n.",
        b"cpipeline.reading.child\nsubprocess.Popen\n.",
        b"\x80\x05garbage",
        b"",
    ],
)
def test_a_message_that_names_code_is_no_message(content: bytes) -> None:
    ours, theirs = Pipe()
    theirs.send_bytes(content)
    with pytest.raises(OSError, match="no message of a reader"):
        receive(ours)


def test_a_message_that_would_run_code_runs_none(tmp_path: Path) -> None:
    ours, theirs = Pipe()
    theirs.send_bytes(pickle.dumps(DecodeError(_Runs(tmp_path / "ran"))))
    with pytest.raises(OSError, match=r"names posix\.mkdir"):
        receive(ours)
    assert not (tmp_path / "ran").exists()


def test_a_sandbox_that_is_required_and_missing_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.reading.reader_process.logged_unsupported", lambda: ("files (no Landlock)",))
    require_sandbox(ReadLimits())
    with pytest.raises(SandboxError, match=r"read\.limits\.sandbox is require.*no Landlock"):
        require_sandbox(ReadLimits(sandbox="require"))
    with ReaderProcess(ReadConfig(limits=ReadLimits(sandbox="require")), timeout_s=5) as reader:
        with pytest.raises(SandboxError):
            reader.probe(Location("x", "x"))
        assert reader.pid is None
