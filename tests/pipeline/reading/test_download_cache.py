"""Catches a download that is made twice, that is stale, or that is deleted while somebody reads it."""

import os
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import fsspec
import pytest

from pipeline.reading import download_cache
from pipeline.reading.addresses import public_uri
from pipeline.reading.download_cache import local_file
from pipeline.reading.fetch_rule import DownloadConfig, FetchRule
from pipeline.reading.sources import Location, find_sources
from schemas.errors import SourceError
from tests.web import Web, serving


def put(address: str, content: bytes) -> None:
    fsspec.filesystem("memory").pipe(address, content)


@pytest.fixture
def web(folder: Path) -> Iterator[Web]:
    with serving(Web(folder)) as web:
        yield web


@pytest.fixture
def server(web: Web) -> str:
    return web.url


def find(address: str) -> Location:
    [location] = find_sources([address])
    assert isinstance(location, Location)
    return location


def fetched(
    location: Location, *, cache_dir: Path | None = None, on_progress: Callable[[], None] = lambda: None
) -> Path:
    """Where the file of a location is in the cache, in which it stays while nothing else is fetched."""
    with local_file(location, on_progress=on_progress, cache_dir=cache_dir) as path:
        return path


def test_http_files_are_fetched_once(web: Web, tmp_path: Path) -> None:
    beats: list[int] = []
    address = f"{web.url}/b.mp4"
    path = fetched(find(address), on_progress=lambda: beats.append(1), cache_dir=tmp_path / "cache")
    assert path.read_bytes() == b"b.mp4"
    assert path.suffix == ".mp4"
    assert beats
    assert fetched(find(address), cache_dir=tmp_path / "cache") == path
    assert web.fetched == ["/b.mp4"]


@pytest.mark.parametrize(
    ("tells", "content", "modified_s"),
    [
        ({"ETag"}, b"B.MP4", 0),
        ({"Last-Modified"}, b"B.MP4", 3600),
        ({"Last-Modified"}, b"longer", 0),  # within one second, the resolution of Last-Modified
        ({"ETag", "Last-Modified"}, b"B.MP4", 0),
    ],
)
def test_an_http_file_that_changed_is_fetched_again(
    web: Web, folder: Path, tmp_path: Path, tells: set[str], content: bytes, modified_s: int
) -> None:
    web.tells = tells
    location = find(f"{web.url}/b.mp4")
    os.utime(folder / "b.mp4", (1e9, 1e9))
    assert fetched(location, cache_dir=tmp_path / "cache").read_bytes() == b"b.mp4"
    (folder / "b.mp4").write_bytes(content)
    os.utime(folder / "b.mp4", (1e9, 1e9 + modified_s))
    assert fetched(location, cache_dir=tmp_path / "cache").read_bytes() == content


def test_an_http_file_that_tells_no_version_is_fetched_once_a_search(web: Web, folder: Path, tmp_path: Path) -> None:
    web.tells = set()
    first = find(f"{web.url}/b.mp4")
    for location in (first, pickle.loads(pickle.dumps(first))):  # the readers of a run are other processes
        assert fetched(location, cache_dir=tmp_path / "cache").read_bytes() == b"b.mp4"
    assert web.fetched == ["/b.mp4"]
    (folder / "b.mp4").write_bytes(b"B.MP4")
    again = find(first.address)
    assert fetched(again, cache_dir=tmp_path / "cache").read_bytes() == b"B.MP4"
    (folder / "b.mp4").write_bytes(b"b.MP4")
    unsearched = located(first.address)
    assert fetched(unsearched, cache_dir=tmp_path / "cache").read_bytes() == b"b.MP4"


def test_a_missing_http_file_is_named_without_its_credentials(server: str, tmp_path: Path) -> None:
    address = server.replace("://", "://me:secret@") + "/gone.mp4?token=abc"
    with pytest.raises(SourceError) as caught:
        fetched(Location(public_uri(address), address), cache_dir=tmp_path / "cache")
    assert "gone.mp4" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "token" not in str(caught.value)
    assert not list((tmp_path / "cache").iterdir())  # no half-fetched file is left


def located(address: str) -> Location:
    return Location(public_uri(address), address)


def fetch(address: str, cache: Path) -> bytes:
    with local_file(located(address), on_progress=lambda: None, cache_dir=cache) as path:
        return path.read_bytes()


@pytest.fixture
def small_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache in which no two files have room."""
    monkeypatch.setattr(download_cache, "CACHE_LIMIT_BYTES", 150)
    return tmp_path / "cache"


def test_a_file_in_use_outlives_the_limit_of_the_cache(bucket: str, small_cache: Path) -> None:
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        put(f"{bucket}/{name}", name.encode() * 20)
    with local_file(located(f"{bucket}/a.mp4"), on_progress=lambda: None, cache_dir=small_cache) as path:
        assert fetch(f"{bucket}/b.mp4", small_cache) == b"b.mp4" * 20
        assert path.read_bytes() == b"a.mp4" * 20
        assert (
            fetch(f"{bucket}/a.mp4", small_cache) == b"a.mp4" * 20
        )  # a second reader does not end the first one's use
        fetch(f"{bucket}/c.mp4", small_cache)
        assert path.exists()
    fetch(f"{bucket}/b.mp4", small_cache)
    assert not path.exists()


def test_a_download_outlives_the_limit_of_the_cache(bucket: str, small_cache: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        put(f"{bucket}/{name}", name.encode() * 200)
    others: list[bytes] = []

    def another_fetches() -> None:
        if not others:
            others.append(fetch(f"{bucket}/b.mp4", small_cache))

    with local_file(located(f"{bucket}/a.mp4"), on_progress=another_fetches, cache_dir=small_cache) as path:
        assert path.read_bytes() == b"a.mp4" * 200
    assert others == [b"b.mp4" * 200]


def test_two_that_fetch_one_file_at_once_both_keep_it(bucket: str, small_cache: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        put(f"{bucket}/{name}", name.encode() * 20)
    with ExitStack() as faster:
        won: list[Path] = []

        def another_fetches() -> None:
            if not won:
                file = local_file(located(f"{bucket}/a.mp4"), on_progress=lambda: None, cache_dir=small_cache)
                won.append(faster.enter_context(file))

        with local_file(located(f"{bucket}/a.mp4"), on_progress=another_fetches, cache_dir=small_cache) as path:
            assert won == [path]
            fetch(f"{bucket}/b.mp4", small_cache)
            faster.close()
            fetch(f"{bucket}/b.mp4", small_cache)
            assert path.read_bytes() == b"a.mp4" * 20
    assert not [p for p in small_cache.iterdir() if not p.suffix]  # the slower one's copy is gone


def test_what_an_abandoned_download_left_is_evicted_and_a_vanished_entry_is_no_error(
    bucket: str, small_cache: Path
) -> None:
    small_cache.mkdir()
    (small_cache / "tmpabandoned").write_bytes(b"x" * 100)
    (small_cache / "gone").symlink_to("nowhere")  # what stat() sees of a file that another one has just deleted
    put(f"{bucket}/a.mp4", b"a" * 100)
    assert fetch(f"{bucket}/a.mp4", small_cache) == b"a" * 100
    assert not (small_cache / "tmpabandoned").exists()


def test_fetchers_that_share_a_cache_do_not_fail_each_other(tmp_path: Path, small_cache: Path) -> None:
    names = [f"{i}.mp4" for i in range(6)]
    for name in names:
        (tmp_path / name).write_bytes(name.encode() * 20)

    def fetch_all(first: int) -> None:
        for i in range(150):
            name = names[(first + i * (first + 1)) % len(names)]
            assert fetch(f"file://{tmp_path}/{name}", small_cache) == name.encode() * 20

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fetch_all, range(4)))  # raises what any of them met


def test_a_cache_that_others_could_have_filled_is_refused(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    put(f"{bucket}/a.mp4", b"a")
    with local_file(located(f"{bucket}/a.mp4"), on_progress=lambda: None) as path:
        assert path.parent == tmp_path / "regionlake" / "downloads"
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.parent.chmod(0o777)
    with pytest.raises(SourceError, match=r"can be written by others.*chmod go-w"):
        fetched(located(f"{bucket}/a.mp4"))
    path.parent.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(path.parent, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: path.parent.stat().st_uid + 1)
    with pytest.raises(SourceError, match="belongs to the user"):
        fetched(located(f"{bucket}/a.mp4"))


def test_a_file_of_a_store_that_is_too_large_is_refused(bucket: str, tmp_path: Path) -> None:
    put(f"{bucket}/a.mp4", b"a" * 11)
    rule = FetchRule(download=DownloadConfig(max_bytes=10))
    location = Location(f"{bucket}/a.mp4", f"{bucket}/a.mp4", fetch=rule)
    with pytest.raises(SourceError, match="11 bytes, and at most 10"):
        fetched(location, cache_dir=tmp_path / "cache")
