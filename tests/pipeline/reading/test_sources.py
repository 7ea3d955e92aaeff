"""Catches inputs that vanish without a word, come twice, or take a password into the lake."""

import hashlib
import http.server
import os
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import fsspec
import pytest

from pipeline.reading import sources
from pipeline.reading.sources import Failure, Location, find_sources, local_file, local_path, public_uri
from schemas.errors import SourceError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.mp4", "a.MKV", "notes.txt", "deep/c.jpg", "deep/er/d.avi"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


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
    assert "holds no video or picture" in failures[1].error  # type: ignore[union-attr]


def test_relative_and_absolute_names_are_one_source(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert uris("b.mp4", folder / "b.mp4") == [str(folder / "b.mp4")]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://me:secret@host:8080/a/b.mp4?X-Signature=abc#t", "https://host:8080/a/b.mp4"),
        ("HTTP://h/clip?id=1&X-Amz-Security-Token=t&cam=2", "HTTP://h/clip?id=1&cam=2"),
        ("http://h/clip?user=me&pwd=1&id=7", "http://h/clip?id=7"),
        ("http://h/clip?id=7;Access%5FToken=abc", "http://h/clip?id=7"),
        ("https://h/c.mp4?sv=2024&se=2026-01-01&sr=b&sig=abc%3D", "https://h/c.mp4"),  # Azure's signature
        ("https://h/c.mp4?x-oss-process=video/snapshot,t_9", "https://h/c.mp4?x-oss-process=video/snapshot,t_9"),
        ("https://h/c.mp4?se=north&sr=b", "https://h/c.mp4?se=north&sr=b"),  # the same names without one
        ("http://h/frame?src=rtsp://me:secret@cam/1", "http://h/frame?src=rtsp://cam/1"),
        ("http://h/frame?src=rtsp%3A%2F%2Fme%3Asecret%40cam%2F1", "http://h/frame?src=rtsp%3A%2F%2Fcam%2F1"),
        ("http://me:secret@[::1]/a.mp4?token=abc", "http://[::1]/a.mp4"),
        ("http://me:secret@[bad/a.mp4?token=abc", "http://[bad/a.mp4"),
        ("zip://a.mp4::https://me:secret@h/a.zip?sig=abc", "zip://a.mp4::https://h/a.zip"),
        ("s3://bucket/key with space.mp4", "s3://bucket/key with space.mp4"),
        ("s3://b/cam#1/a?x&token=1.mp4", "s3://b/cam#1/a?x&token=1.mp4"),
        ("ftp://me:secret@host/a@b.mp4", "ftp://host/a@b.mp4"),
        ("abfs://box@account.dfs.core.windows.net/a.mp4", "abfs://box@account.dfs.core.windows.net/a.mp4"),
        ("/data/odd?name@x.mp4", "/data/odd?name@x.mp4"),
    ],
)
def test_stored_uris_hold_no_credentials(address: str, shown: str) -> None:
    assert public_uri(address) == shown


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
        put(f"{bucket}/{key}", key.encode())
    assert sorted(uris(bucket)) == sorted(f"{bucket}/{key}" for key in keys)
    assert uris(f"{bucket}/cam?2/a.mp4") == [f"{bucket}/cam?2/a.mp4"]  # is there: no pattern
    assert len(uris(f"{bucket}/cam?1/a.mp4", f"{bucket}/cam*/a.mp4")) == 4


@pytest.fixture
def bucket() -> Iterator[str]:
    """A folder of a store of objects, in this process."""
    root = "memory:///bucket"
    yield root
    fsspec.filesystem("memory").rm("/bucket", recursive=True)


def put(address: str, content: bytes) -> None:
    fsspec.filesystem("memory").pipe(address, content)


class Web(http.server.ThreadingHTTPServer):
    """Serves a folder, counts what was fetched, and tells of each file what `tells` names."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(WebHandler, directory=folder))
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.fetched: list[str] = []
        self.tells = {"Last-Modified"}


class WebHandler(http.server.SimpleHTTPRequestHandler):
    server: Web

    def do_GET(self) -> None:
        self.server.fetched.append(self.path)
        super().do_GET()

    def send_header(self, keyword: str, value: str) -> None:
        if keyword == "Last-Modified":
            if "ETag" in self.server.tells:
                super().send_header(
                    "ETag", hashlib.sha256(Path(self.translate_path(self.path)).read_bytes()).hexdigest()
                )
            if "Last-Modified" not in self.server.tells:
                return
        super().send_header(keyword, value)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def web(folder: Path) -> Iterator[Web]:
    with Web(folder) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield web
        web.shutdown()


@pytest.fixture
def server(web: Web) -> str:
    return web.url


def find(address: str) -> Location:
    [location] = find_sources([address])
    assert isinstance(location, Location)
    return location


def test_http_files_are_fetched_once(web: Web, tmp_path: Path) -> None:
    beats: list[int] = []
    address = f"{web.url}/b.mp4"
    path = local_path(find(address), on_progress=lambda: beats.append(1), cache_dir=tmp_path / "cache")
    assert path.read_bytes() == b"b.mp4"
    assert path.suffix == ".mp4"
    assert beats
    assert local_path(find(address), on_progress=lambda: None, cache_dir=tmp_path / "cache") == path
    assert web.fetched == ["/b.mp4"]


@pytest.mark.parametrize(
    ("tells", "content", "modified_s"),
    [
        ({"ETag"}, b"B.MP4", 0),
        ({"Last-Modified"}, b"B.MP4", 3600),
        ({"Last-Modified"}, b"longer", 0),  # within the second that Last-Modified can tell
        ({"ETag", "Last-Modified"}, b"B.MP4", 0),
    ],
)
def test_an_http_file_that_changed_is_fetched_again(
    web: Web, folder: Path, tmp_path: Path, tells: set[str], content: bytes, modified_s: int
) -> None:
    web.tells = tells
    location = find(f"{web.url}/b.mp4")
    os.utime(folder / "b.mp4", (1e9, 1e9))
    assert local_path(location, on_progress=lambda: None, cache_dir=tmp_path / "cache").read_bytes() == b"b.mp4"
    (folder / "b.mp4").write_bytes(content)
    os.utime(folder / "b.mp4", (1e9, 1e9 + modified_s))
    assert local_path(location, on_progress=lambda: None, cache_dir=tmp_path / "cache").read_bytes() == content


def test_an_http_file_that_tells_no_version_is_fetched_once_a_search(web: Web, folder: Path, tmp_path: Path) -> None:
    web.tells = set()
    first = find(f"{web.url}/b.mp4")
    for location in (first, pickle.loads(pickle.dumps(first))):  # the readers of a run are other processes
        assert local_path(location, on_progress=lambda: None, cache_dir=tmp_path / "cache").read_bytes() == b"b.mp4"
    assert web.fetched == ["/b.mp4"]
    (folder / "b.mp4").write_bytes(b"B.MP4")
    again = find(first.address)
    assert local_path(again, on_progress=lambda: None, cache_dir=tmp_path / "cache").read_bytes() == b"B.MP4"
    (folder / "b.mp4").write_bytes(b"b.MP4")
    unsearched = located(first.address)
    assert local_path(unsearched, on_progress=lambda: None, cache_dir=tmp_path / "cache").read_bytes() == b"b.MP4"


def test_a_missing_http_file_is_named_without_its_credentials(server: str, tmp_path: Path) -> None:
    address = server.replace("://", "://me:secret@") + "/gone.mp4?token=abc"
    with pytest.raises(SourceError) as caught:
        local_path(Location(public_uri(address), address), on_progress=lambda: None, cache_dir=tmp_path / "cache")
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
    monkeypatch.setattr(sources, "CACHE_LIMIT_BYTES", 150)
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
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    (folder / "locked").mkdir(parents=True)
    elsewhere.mkdir()
    (elsewhere / "linked.mp4").write_bytes(b"")
    (folder / "link").symlink_to(elsewhere)
    (folder / "circle").symlink_to(folder)
    (folder / "dangling.mp4").symlink_to(tmp_path / "gone.mp4")
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
    assert names == [str(folder / "dangling.mp4"), str(folder / "link" / "linked.mp4"), str(folder / "pipe.mp4")]
