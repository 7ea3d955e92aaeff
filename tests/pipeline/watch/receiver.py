"""A webhook that is a real HTTP server in a thread, whose answers a test chooses."""

import contextlib
import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """answer: (number of the request) → status, or None to hang until `release`. Keeps what it answered with 2xx.

    header: a further line of every answer's head. trickle_s: between any two bytes of a body that has 1000.
    """

    def __init__(
        self,
        answer: Callable[[int], int | None] = lambda _: 200,
        *,
        port: int = 0,
        header: str = "X-Receiver: test",
        trickle_s: float | None = None,
    ) -> None:
        self.taken: list[dict[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.requests = 0
        self._answer = answer
        self._released = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                hit = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                number, receiver.requests = receiver.requests, receiver.requests + 1
                receiver.headers.append(dict(self.headers))
                status = receiver._answer(number)
                if status is None:
                    receiver._released.wait(600)
                    self.close_connection = True
                    return
                if 200 <= status < 300:
                    receiver.taken.append(hit)
                self.send_response(status)
                body = b"" if status == 204 else b"ok" if trickle_s is None else b"o" * 1000
                if body:
                    self.send_header("Content-Length", str(len(body)))
                self.flush_headers()
                self.wfile.write(header.encode() + b"\r\n\r\n")
                with contextlib.suppress(OSError):  # whoever asked does not wait for all of it
                    for part in [body] if trickle_s is None else [body[:1]] * len(body):
                        self.wfile.write(part)
                        receiver._released.wait(trickle_s or 0.0)

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

    def release(self) -> None:
        """Requests that hang end without an answer."""
        self._released.set()

    def close(self) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()
