"""Catches passwords that leak into names or errors, and files of feeds that are misread."""

from pathlib import Path

import pytest

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
