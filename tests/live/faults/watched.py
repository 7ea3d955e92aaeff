"""A watch of the lake, and its webhook, which can be stopped."""

import http.server
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import ClassVar

from tests.live.bound import bound
from tests.live.cameras import free_port
from tests.signals import default_signals


class Webhook:
    """Receives hits at `url` while it runs. answers: the HTTP status of its answers."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/hits"
        self.taken: Counter[str] = Counter()  # ids of hits
        self.answers = 200
        self._server: http.server.ThreadingHTTPServer | None = None
        self.up()

    def up(self) -> None:
        webhook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hit = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if webhook.answers == 200:
                    webhook.taken[hit["id"]] += 1
                self.send_response(webhook.answers)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def down(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class WatchProcess:
    """`regionlake watch` for every new keyframe, with a webhook. Hits older than `give_up_s` are given up."""

    give_up_s: ClassVar[float] = 10.0

    def __init__(self, lake: Path, folder: Path, webhook: Webhook) -> None:
        self._webhook = webhook
        self._hits = folder / "hits.jsonl"
        self._letters = folder / "dead-letter.jsonl"
        self._log = (folder / "watch.log").open("a")
        options = (
            f"--box 0,0,1,1 --max-distance 1 --name all --give-up {self.give_up_s} --webhook {webhook.url}".split()
        )
        self._command = [sys.executable, "-m", "deploy.cli.main", "watch", "--lake", str(lake), *options]
        self._command += ["--out", str(self._hits), "--dead-letter", str(self._letters)]
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with default_signals():
            return subprocess.Popen(bound(self._command), stdin=subprocess.DEVNULL, stderr=self._log)

    @property
    def hits(self) -> Counter[str]:
        return Counter(hit["id"] for hit in _lines(self._hits))

    @property
    def given_up(self) -> Counter[str]:
        return Counter(letter["hit"]["id"] for letter in _lines(self._letters))

    def settled(self, *, most_s: float = 60.0) -> None:
        """Waits until there is a new hit, and all were delivered or given up."""
        before, until = len(self.hits), time.monotonic() + most_s
        while len(hits := self.hits) <= before or set(hits) != {*self._webhook.taken, *self.given_up}:
            assert self.process.poll() is None, f"the watch ended; {self.log()}"
            assert time.monotonic() < until, f"{len(hits)} hits, before {before}; {self.log()}"
            time.sleep(0.2)

    def end(self) -> str:
        """Ends the watch, and checks that each hit was reported once. Returns a line about it."""
        self.process.terminate()
        assert self.process.wait(60) in (0, 130, 143), self.log()
        self._log.close()
        taken, given_up, hits = self._webhook.taken, self.given_up, self.hits
        assert set(hits.values()) <= {1}, hits.most_common(3)
        reported = taken + given_up
        assert set(reported.values()) <= {1}, reported.most_common(3)
        # the last hit may wait: it is sent when the watch is started again
        assert set(reported) <= set(hits)
        return (
            f"watch: {len(hits)} hits, each once; {len(taken)} received by the webhook, {len(given_up)} given up, "
            f"{len(hits) - len(reported)} kept for the next start"
        )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def log(self) -> str:
        return Path(self._log.name).read_text()[-2000:]


def _lines(path: Path) -> list[dict[str, object]]:
    """Whole lines of a file that may still be written."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
