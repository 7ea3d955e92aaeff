"""Catches passwords that leak into names or errors, files of feeds that are misread, and feeds that are lost when
several processes change the file."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from operators.runtime.file_lock import file_lock
from pipeline.live.feeds.feed_list import FeedEntry, FeedList, entry_of, is_stream
from schemas.errors import PlanError


def test_feeds_are_added_paused_resumed_and_removed(tmp_path: Path) -> None:
    feeds = FeedList(tmp_path / "cameras.toml")
    feeds.add("gate", FeedEntry("rtsp://10.0.0.5/stream"))
    feeds.add("yard", FeedEntry("udp://0.0.0.0:5000", paused=True))
    feeds.set_paused("gate", True)
    feeds.set_paused("yard", False)
    assert feeds.read() == {
        "gate": FeedEntry("rtsp://10.0.0.5/stream", paused=True),
        "yard": FeedEntry("udp://0.0.0.0:5000"),
    }
    feeds.remove("gate")
    assert list(feeds.read()) == ["yard"]
    with pytest.raises(PlanError, match="has no feed gate; it has yard"):
        feeds.set_paused("gate", True)
    with pytest.raises(PlanError, match="has a feed yard already"):
        feeds.add("yard", FeedEntry("rtsp://other/"))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[feeds.gate]\nurl = 3\nport = 1", "port"),
        ("[cameras.gate]\nurl = 'rtsp://x'", "cameras"),
        ("[feeds.gate]", "url"),
        ("[feeds", "cannot be read"),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_name(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "cameras.toml"
    path.write_text(content)
    with pytest.raises(PlanError, match=f"cameras.toml.*{told}"):
        FeedList(path).read()


def test_a_name_is_one_that_can_stand_in_the_lake(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="letters, digits"):
        FeedList(tmp_path / "f.toml").add("gate#2", FeedEntry("rtsp://x"))


def test_secrets_come_from_the_environment_or_a_file_and_are_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATE_PASSWORD", "p@ss:wörd/")
    entry = FeedEntry("rtsp://admin:${GATE_PASSWORD}@10.0.0.5:554/stream?channel=2&token=abc")
    assert entry.address() == "rtsp://admin:p%40ss%3Aw%C3%B6rd%2F@10.0.0.5:554/stream?channel=2&token=abc"
    assert entry.shown == "rtsp://10.0.0.5:554/stream?channel=2"
    monkeypatch.delenv("GATE_PASSWORD")
    with pytest.raises(PlanError, match="no GATE_PASSWORD, which rtsp://10"):
        entry.address()

    held = tmp_path / "gate"
    held.write_text("admin:s3cret\n")
    entry = FeedEntry("rtsp://10.0.0.5/stream", credentials=str(held))
    assert entry.address() == "rtsp://admin:s3cret@10.0.0.5/stream"
    held.write_text("s3cret")
    with pytest.raises(PlanError) as refused:
        entry.address()
    assert "s3cret" not in str(refused.value)


def test_streams_are_told_from_files_of_the_web() -> None:
    assert all(map(is_stream, ("rtsp://a/b", "udp://0.0.0.0:1", "https://a/live.m3u8?x=1", "srt://a:1")))
    assert not any(map(is_stream, ("https://a/b.mp4", "s3://a/b.mp4", "b.mp4", "/a/b")))


def test_a_path_is_a_file_that_grows_or_a_folder_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "camera.ts").mkdir()
    (tmp_path / "drop").mkdir()
    growing = entry_of(str(tmp_path / "not-there-yet.ts"))
    assert growing.is_file
    assert not growing.is_folder
    for name in ("camera.ts", "drop"):
        entry = entry_of(str(tmp_path / name))
        assert entry.is_folder
        assert not entry.is_file
    with pytest.raises(PlanError, match="or a file that grows"):
        entry_of(str(tmp_path / "notes.txt"))
    assert not FeedEntry("https://a/live.ts").is_file
    for name in ("foo://10.0.0.5/x", "https://admin:s3cret@10.0.0.5/clip.mp4"):
        with pytest.raises(PlanError, match="cannot be followed") as refused:
            entry_of(name)
        assert "s3cret" not in str(refused.value)
        with pytest.raises(PlanError, match="cannot be followed"):
            FeedEntry(name).address()


def test_a_file_that_may_hold_passwords_is_its_owners_and_stays_as_it_was_made(tmp_path: Path) -> None:
    feeds = FeedList(tmp_path / "cameras.toml")
    feeds.add("gate", FeedEntry("rtsp://admin:s3cret@10.0.0.5/stream"))
    assert feeds.path.stat().st_mode & 0o777 == 0o600
    feeds.path.chmod(0o640)
    feeds.set_paused("gate", True)
    assert feeds.path.stat().st_mode & 0o777 == 0o640


def test_feeds_that_several_processes_add_at_once_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "cameras.toml"
    path.write_text("[feeds.first]\nurl = 'rtsp://10.0.0.1/x'\n")
    code = """if True:
        import sys
        from pathlib import Path
        from pipeline.live.feeds.feed_list import FeedEntry, FeedList
        process, path = sys.argv[1:]
        sys.stdin.read()  # until all are ready
        for n in range(10):
            FeedList(Path(path)).add(f"{process}-{n}", FeedEntry("rtsp://10.0.0.2/x"))
    """
    command = [sys.executable, "-c", code]
    started = [subprocess.Popen([*command, str(n), str(path)], stdin=subprocess.PIPE) for n in range(4)]
    for process in started:
        assert process.stdin is not None
        process.stdin.close()
    assert [process.wait(60) for process in started] == [0] * 4
    assert len(FeedList(path).read()) == 41
    assert {each.name for each in tmp_path.iterdir()} == {"cameras.toml", ".cameras.toml.lock"}


def test_a_file_that_does_not_exist_yet_is_made_under_the_lock_and_a_link_to_it_stays_one(tmp_path: Path) -> None:
    link = tmp_path / "cameras.toml"
    link.symlink_to(tmp_path / "shared" / "all.toml")

    def add(n: int) -> None:
        FeedList(link).add(f"gate-{n}", FeedEntry("rtsp://10.0.0.2/x"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(16)))
    assert link.is_symlink()
    assert len(FeedList(link).read()) == 16


def test_a_file_that_another_process_is_changing_for_ever_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cameras.toml"
    monkeypatch.setattr("pipeline.live.feeds.feed_list.file_lock", partial(file_lock, wait_s=0.1))
    with file_lock(path), pytest.raises(PlanError, match="another process has been changing"):
        FeedList(path).add("gate", FeedEntry("rtsp://10.0.0.2/x"))


def test_where_nothing_can_be_written_the_refusal_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop.toml").symlink_to(tmp_path / "loop.toml")
    for path in (tmp_path / "file" / "cameras.toml", tmp_path / "loop.toml"):
        with pytest.raises(PlanError, match="cannot be changed"):
            FeedList(path).add("gate", FeedEntry("rtsp://10.0.0.2/x"))


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _link_to_itself(path: Path) -> None:
    path.symlink_to(path)


MISTAKES: dict[str, bytes | Callable[[Path], None]] = {
    "no such user": b"[feeds.gate]\nurl = '~nosuchuser/x'",
    "credentials of no such user": b"[feeds.gate]\nurl = 'rtsp://x/y'\ncredentials = '~nosuchuser/x'",
    "no TOML": b"[feeds",
    "not UTF-8": b"[feeds.caf\xe9]\nurl = 'rtsp://x/y'",
    "an unknown key": b"[feeds.gate]\nurl = 'rtsp://x/y'\nport = 1",
    "no address": b"[feeds.gate]\nurl = ''",
    "an address of another kind": b"[feeds.gate]\nurl = 3",
    "paused in words": b"[feeds.gate]\nurl = 'rtsp://x/y'\npaused = 'no'",
    "another scheme": b"[feeds.gate]\nurl = 'foo://x/y'",
    "a NUL": b'[feeds.gate]\nurl = "a\\u0000b"',
    "a name with a line break": b'[feeds."a\\nb"]\nurl = "rtsp://x/y"',
    "a name like a recording's": b'[feeds."gate#2026-05-01T12:00:00.250Z"]\nurl = "rtsp://x/y"',
    "lists nested too deep": b"feeds = " + b"[" * 100_000,
    "tables nested too deep": b"feeds = " + b"{a=" * 100_000,
    "keys nested too deep": b".".join([b"feeds"] * 100_000) + b" = 1",
    "a value nested deep": b"[feeds.gate]\nurl." + b".".join([b"a"] * 99) + b" = 1",
    "a number too long": b"feeds = " + b"9" * 5000,
    "too large": b"#" * 2**21,
    "a folder": Path.mkdir,
    "missing": lambda _: None,
    "a pipe": _pipe,
    "a link to itself": _link_to_itself,
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_whatever_mistake_is_in_the_file_it_is_one_sentence_that_names_the_file(tmp_path: Path, mistake: str) -> None:
    path = tmp_path / "cameras.toml"
    made = MISTAKES[mistake]
    path.write_bytes(made) if isinstance(made, bytes) else made(path)
    opened = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(PlanError) as refused:
        FeedList(path).read()
    assert len(list(Path("/proc/self/fd").iterdir())) == opened, "it is read every second"
    assert str(refused.value).startswith(str(path))
    assert len(str(refused.value)) < 600


def test_a_feed_that_can_never_be_followed_can_be_removed_from_the_file(tmp_path: Path) -> None:
    feeds = FeedList(tmp_path / "cameras.toml")
    feeds.path.write_text("[feeds.gate]\nurl = '~nosuchuser/x'\n[feeds.yard]\nurl = 'rtsp://x/y'")
    feeds.remove("gate")
    assert list(feeds.read()) == ["yard"]
    with pytest.raises(PlanError, match="nosuchuser"):
        feeds.add("gate", FeedEntry("~nosuchuser/x"))
    with pytest.raises(PlanError, match="nosuchuser"):
        entry_of("~nosuchuser/x")
