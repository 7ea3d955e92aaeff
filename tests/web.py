"""A web server of a folder, on loopback, for tests."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path


class Web(http.server.ThreadingHTTPServer):
    """Serves a folder, and sends the headers that `tells` names.

    asked: methods and paths, in order. fetched: the paths of GET alone.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(WebHandler, directory=folder))
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked: list[tuple[str, str]] = []
        self.tells = {"Last-Modified"}

    @property
    def fetched(self) -> list[str]:
        return [path for method, path in self.asked if method == "GET"]


class WebHandler(http.server.SimpleHTTPRequestHandler):
    server: Web

    def do_HEAD(self) -> None:
        self.server.asked.append(("HEAD", self.path))
        super().do_HEAD()

    def do_GET(self) -> None:
        self.server.asked.append(("GET", self.path))
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


@contextmanager
def serving(web: Web) -> Iterator[Web]:
    """Serves until the end of the block."""
    with web:
        threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield web
        web.shutdown()
