"""A webhook that is a real HTTP server in a thread, and answers as it is told."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """answer: (number of the request) → status, or None to hang. Keeps what it was sent and answered with 2xx."""

    def __init__(self, answer: Callable[[int], int | None] = lambda _: 200, *, port: int = 0) -> None:
        self.taken: list[dict[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.requests = 0
        self._answer = answer
        self._released = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                number, receiver.requests = receiver.requests, receiver.requests + 1
                receiver.headers.append(dict(self.headers))
                status = receiver._answer(number)
                if status is None:
                    receiver._released.wait(60)
                    return
                if 200 <= status < 300:
                    receiver.taken.append(body)
                self.send_response(status)
                if status != 204:
                    self.send_header("Content-Length", "2")
                self.end_headers()
                if status != 204:
                    self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/secret-path"

    @property
    def ids(self) -> list[str]:
        return [hit["id"] for hit in self.taken]

    def close(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()


def wait_until(true: Callable[[], bool], *, within_s: float = 10.0) -> None:
    """Fails where it does not become true in time."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.01)
