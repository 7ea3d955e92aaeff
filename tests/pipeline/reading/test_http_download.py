"""Downloads over HTTP from real servers: catches endless and huge bodies, redirections inwards, passwords that leak."""

import http.server
import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.reading.download_cache import local_file
from pipeline.reading.fetch_rule import DownloadConfig, FetchRule, allow
from pipeline.reading.http_download import HttpDownload
from pipeline.reading.sources import Location
from schemas.errors import SourceError

Answer = Callable[["Handler"], None]


class Handler(http.server.BaseHTTPRequestHandler):
    server: "Server"
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append((self.command, self.headers["Host"], self.headers["Authorization"] or ""))
        self.server.answer(self)

    do_HEAD = do_GET  # noqa: N815, the name that http.server calls

    def send(self, body: bytes, *, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


class Server(http.server.ThreadingHTTPServer):
    """Answers by a function, and remembers what was asked: method, host and authorization."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.asked: list[tuple[str, str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], Server]]:
    servers: list[Server] = []

    def start(answer: Answer) -> Server:
        server = Server(answer)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@dataclass
class Clock:
    """A clock that moves by `step_s` whenever it is read."""

    step_s: float
    now_s: float = field(default=0.0)

    def utc(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        self.now_s += self.step_s
        return self.now_s

    def sleep(self, _: float) -> None:
        raise AssertionError

    def wait_for(self, *_: object, **__: object) -> bool:
        raise AssertionError


def fetched(address: str, rule: FetchRule | None = None, *, clock: Clock | None = None) -> bytes:
    download = HttpDownload(address, rule or FetchRule(), time=clock or Clock(0.0))
    try:
        download.about()
        file = io.BytesIO()
        download.save(file, on_progress=lambda: None)
        return file.getvalue()
    finally:
        download.close()


def test_a_file_that_is_too_large_is_refused_before_its_bytes_come(serve: Callable[[Answer], Server]) -> None:
    server = serve(lambda to: to.send(b"x" * 2000))
    small = FetchRule(download=DownloadConfig(max_bytes=1999))
    with pytest.raises(SourceError, match=r"2,000 bytes, and at most 1,999 .*run\.download\.max_bytes"):
        fetched(server.url, small)
    assert [method for method, *_ in server.asked] == ["HEAD"]
    assert fetched(server.url, FetchRule(download=DownloadConfig(max_bytes=2000))) == b"x" * 2000


@pytest.mark.parametrize("told", ["nothing", "less"])
def test_a_body_of_unknown_length_ends_at_the_limit(serve: Callable[[Answer], Server], told: str) -> None:
    ended = threading.Event()

    def endless(to: Handler) -> None:
        to.send_response(200)
        if to.command == "HEAD" and told == "less":
            to.send_header("Content-Length", "10")
        to.send_header("Connection", "close")
        to.end_headers()
        if to.command == "HEAD":
            return
        try:
            while True:
                to.wfile.write(b"x" * 65536)
        except OSError:
            ended.set()

    with pytest.raises(SourceError, match="more bytes, and at most 1,000,000"):
        fetched(serve(endless).url, FetchRule(download=DownloadConfig(max_bytes=1_000_000)))
    assert ended.wait(30)


def test_a_compressed_body_is_measured_as_it_unfolds(serve: Callable[[Answer], Server]) -> None:
    import gzip

    body = gzip.compress(b"\0" * 5_000_000)
    server = serve(lambda to: to.send(body, Content_Encoding="gzip"))
    assert len(body) < 10_000
    with pytest.raises(SourceError, match="at most 1,000,000"):
        fetched(server.url, FetchRule(download=DownloadConfig(max_bytes=1_000_000)))


def test_a_body_that_drips_is_refused(serve: Callable[[Answer], Server]) -> None:
    stop = threading.Event()

    def drip(to: Handler) -> None:
        to.send_response(200)
        to.send_header("Content-Length", "1000000")
        to.end_headers()
        while to.command == "GET" and not stop.is_set():
            to.wfile.write(b"x")
            stop.wait(0.01)

    server = serve(drip)
    try:
        with pytest.raises(SourceError, match=r"less than 1000 bytes a second.*run\.download\.min_bytes_per_s"):
            fetched(server.url, clock=Clock(7.0))
    finally:
        stop.set()


def test_a_body_that_breaks_off_is_no_file(serve: Callable[[Answer], Server], tmp_path: Path) -> None:
    def half(to: Handler) -> None:
        to.send_response(200)
        to.send_header("Content-Length", "1000")
        to.end_headers()
        if to.command == "GET":
            to.wfile.write(b"x" * 500)
        to.close_connection = True

    url = serve(half).url
    cached = local_file(Location(url, url), on_progress=lambda: None, cache_dir=tmp_path / "cache")
    with pytest.raises(SourceError, match="broke off"), cached:
        pass
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_server_that_answers_no_head_is_asked_by_get_alone(serve: Callable[[Answer], Server]) -> None:
    server = serve(lambda to: to.send(b"abc", status=403 if to.command == "HEAD" else 200))
    assert fetched(server.url) == b"abc"
    assert [method for method, *_ in server.asked] == ["HEAD", "GET"]


def test_a_redirection_inwards_is_refused_and_nothing_is_asked_there(serve: Callable[[Answer], Server]) -> None:
    private = serve(lambda to: to.send(b"secret"))
    target = private.url.replace("127.0.0.1", "127.0.0.2")
    server = serve(lambda to: to.send(b"", status=302, Location=target))
    with pytest.raises(SourceError, match=r"127\.0\.0\.1 redirects there: a private address.*--fetch 127\.0\.0\.2"):
        fetched(server.url)
    assert private.asked == []


def test_a_redirection_within_the_named_host_keeps_the_password_and_another_host_never_learns_it(
    serve: Callable[[Answer], Server],
) -> None:
    last = serve(lambda to: to.send(b"abc"))
    again = serve(lambda to: to.send(b"", status=307, Location=f"{last.url}/b"))
    address = again.url.replace("://", "://me:secret@")
    assert fetched(address) == b"abc"
    assert [authorization for *_, authorization in last.asked] == ["Basic bWU6c2VjcmV0"] * 2
    named_otherwise = again.url.replace("127.0.0.1", "me:secret@localhost")
    last.asked.clear()
    assert fetched(named_otherwise, FetchRule(allowed=allow(["127.0.0.1"]))) == b"abc"
    assert {authorization for *_, authorization in last.asked} == {""}
    assert {host for _, host, _ in again.asked} >= {f"localhost:{again.server_port}"}


@pytest.mark.parametrize(
    ("location", "said"),
    [("file:///etc/passwd", "which is not HTTP"), ("/again", "redirects more than 10 times")],
)
def test_redirections_to_files_and_in_circles_are_refused(
    serve: Callable[[Answer], Server], location: str, said: str
) -> None:
    with pytest.raises(SourceError, match=said):
        fetched(serve(lambda to: to.send(b"", status=302, Location=location)).url)


def test_hosts_that_are_not_there_and_errors_of_servers_are_named(serve: Callable[[Answer], Server]) -> None:
    with pytest.raises(SourceError, match=r"the host nowhere\.invalid cannot be found"):
        fetched("http://nowhere.invalid/a.mp4")
    with pytest.raises(SourceError, match="the server answers 404 Not Found"):
        fetched(serve(lambda to: to.send(b"", status=404)).url)
    server = serve(lambda to: to.send(b""))
    server.shutdown()
    server.server_close()
    with pytest.raises(SourceError, match="refused"):
        fetched(server.url)
