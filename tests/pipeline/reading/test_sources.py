"""Catches inputs that are ignored silently, or found twice."""

import os
from pathlib import Path

import fsspec
import pytest

from pipeline.reading import sources
from pipeline.reading.sources import Failure, Location, find_sources


def uris(*names: str | Path) -> list[str]:
    return [f.uri for f in find_sources([str(n) for n in names]) if isinstance(f, Location)]


def test_a_folder_is_searched_whole_for_media(folder: Path) -> None:
    assert uris(folder) == [str(folder / n) for n in ("a.MKV", "b.mp4", "deep/c.jpg", "deep/er/d.avi")]


def test_globs_and_repeated_names_give_each_file_once(folder: Path) -> None:
    assert uris(folder / "*.mp4", folder / "b.mp4", folder / "**/*.mp4") == [str(folder / "b.mp4")]


def test_a_file_named_with_glob_signs_is_a_file(tmp_path: Path) -> None:
    odd = tmp_path / "take [1].mp4"
    odd.write_bytes(b"x")
    assert uris(odd) == [str(odd)]


def test_a_named_file_is_taken_whatever_it_is_called_and_missing_ones_are_left_to_the_probe(folder: Path) -> None:
    assert uris(folder / "notes.txt", folder / "gone.mp4") == [str(folder / "notes.txt"), str(folder / "gone.mp4")]


def test_globs_and_folders_that_hold_nothing_are_failures(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    failures = list(find_sources([str(tmp_path / "*.mp4"), str(tmp_path / "empty"), "nosuch://x/y.mp4"]))
    assert [type(f) for f in failures] == [Failure] * 3
    assert "no file matches" in failures[0].error  # type: ignore[union-attr]
    assert "contains no video or picture" in failures[1].error  # type: ignore[union-attr]


def test_relative_and_absolute_names_are_one_source(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert uris("b.mp4", folder / "b.mp4") == [str(folder / "b.mp4")]


def put(address: str, content: bytes) -> None:
    fsspec.filesystem("memory").pipe(address, content)


def test_urls_that_differ_in_their_query_are_two_sources() -> None:
    names = ["https://cam/clip?id=1", "https://cam/clip?id=2", "https://cam/clip?id=1#t=10"]
    assert uris(*names) == names[:2]  # a fragment never reaches the server: the third is the first


def test_urls_that_differ_only_in_what_is_not_stored_are_never_one_source_in_silence() -> None:
    names = ["https://cam/clip?token=one", "https://cam/clip?token=2nd", "https://cam/clip?token=one"]
    first, second = find_sources(names)
    assert first == Location("https://cam/clip", names[0])
    assert isinstance(second, Failure)
    assert second.uri == "https://cam/clip"
    assert "differs" in second.error
    assert "2nd" not in second.error


def test_a_malformed_url_does_not_end_the_search() -> None:
    found = list(find_sources(["http://me:secret@[bad/a.mp4", "https://cam/clip"]))
    assert [f.uri for f in found] == ["http://[bad/a.mp4", "https://cam/clip"]


def test_object_keys_keep_their_signs(bucket: str) -> None:
    keys = ["cam#1/a.mp4", "cam#2/a.mp4", "cam?2/a.mp4", "camx2/a.mp4"]
    for key in keys:
        fsspec.filesystem("memory").pipe(f"{bucket}/{key}", key.encode())
    assert sorted(uris(bucket)) == sorted(f"{bucket}/{key}" for key in keys)
    assert uris(f"{bucket}/cam?2/a.mp4") == [f"{bucket}/cam?2/a.mp4"]  # is there: no pattern
    assert len(uris(f"{bucket}/cam?1/a.mp4", f"{bucket}/cam*/a.mp4")) == 4


def test_a_backend_that_fails_in_its_own_way_costs_its_own_input(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class NoCredentialsError(Exception):
        """As botocore's, which is no OSError."""

    def refuse(_: str) -> list[Location]:
        raise NoCredentialsError("Unable to locate credentials")

    monkeypatch.setattr(sources, "_find_remote", refuse)
    (tmp_path / "a.mp4").write_bytes(b"")
    bad, good = find_sources(["s3://bucket/b.mp4", str(tmp_path / "a.mp4")])
    assert bad == Failure("s3://bucket/b.mp4", "Unable to locate credentials")
    assert isinstance(good, Location)


def test_nothing_in_a_folder_is_passed_over_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "folder"
    (folder / "locked").mkdir(parents=True)
    (folder / ".kept").mkdir()
    (folder / ".kept" / "linked.mp4").write_bytes(b"")
    (folder / "link").symlink_to(folder / ".kept")
    (folder / "circle").symlink_to(folder)
    (folder / "dangling.mp4").symlink_to(folder / "gone.mp4")
    os.mkfifo(folder / "pipe.mp4")
    scandir = os.scandir

    def refuse(path: str) -> object:  # as for a user without rights; root has them all
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = list(find_sources([str(folder)]))
    assert [f.uri for f in found if isinstance(f, Failure)] == [str(folder / "locked")]
    names = [f.uri for f in found if isinstance(f, Location)]
    either = {str(folder / each / "linked.mp4") for each in (".kept", "link")}
    assert len(either & {*names}) == 1, "a linked folder is listed once, under the name that comes first"
    assert {*names} - either == {str(folder / "dangling.mp4"), str(folder / "pipe.mp4")}


def test_a_link_that_leads_out_of_a_folder_is_named_and_not_followed(tmp_path: Path) -> None:
    folder, private = tmp_path / "dropped", tmp_path / "private"
    (folder / "deep").mkdir(parents=True)
    private.mkdir()
    (private / "secret.mp4").write_bytes(b"secret")
    (folder / "own.mp4").write_bytes(b"")
    (folder / "again.mp4").symlink_to("own.mp4")
    (folder / "deep" / "up.mp4").symlink_to("../own.mp4")
    (folder / "out.mp4").symlink_to(private / "secret.mp4")
    (folder / "hop.mp4").symlink_to("out.mp4")
    (folder / "folder").symlink_to(private)
    (folder / "notes.txt").symlink_to(private / "secret.mp4")  # no media: nobody asked for it
    found = list(find_sources([str(folder)]))
    names = [str(folder / name) for name in ("again.mp4", "deep/up.mp4", "own.mp4")]
    assert [f.uri for f in found if isinstance(f, Location)] == names
    failures = [f for f in found if isinstance(f, Failure)]
    assert sorted(f.uri for f in failures) == [str(folder / name) for name in ("folder", "hop.mp4", "out.mp4")]
    assert all("leads out of" in f.error and "name its target" in f.error for f in failures)
    assert uris(folder / "out.mp4") == [str(folder / "out.mp4")]  # named by the user
    (tmp_path / "to dropped").symlink_to(folder)
    assert len(uris(tmp_path / "to dropped")) == 3  # the folder itself may be named by a link
