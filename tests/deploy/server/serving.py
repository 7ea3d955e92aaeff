"""A service of a lake: in a thread of this process, or as the command."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deploy.server.auditing.audit_log import AuditLog
from deploy.server.guard import Access
from deploy.server.run import Server, address_of, listening
from deploy.server.service import Service
from pipeline.lake.lake import Lake


@contextmanager
def running(
    lake: Path,
    *,
    clips: Path,
    port: int = 0,
    access: Access | None = None,
    audit: AuditLog | None = None,
    certificate: tuple[Path, Path] | None = None,
    **options: Any,
) -> Iterator[str]:
    """Serves the lake from a thread of this process, which has imported everything; yields its address.

    port: 0 takes any free one. options: of `Service.of`.
    """
    service = Service.of(Lake.open(str(lake)), clips=clips, **options)
    listener = listening("127.0.0.1", port)
    ready = threading.Event()
    server = Server(service, access=access or Access(), ready=ready.set, audit=audit, certificate=certificate)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        assert ready.wait(60)
        yield address_of(listener, tls=certificate is not None)
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()


@contextmanager
def served(lake: Path, *options: str) -> Iterator[str]:
    """Runs `regionlake serve` on the lake; yields its address."""
    command = [sys.executable, "-m", "deploy.cli.main", "serve", "--lake", str(lake), "--port", "0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        reported = []
        for line in process.stderr:
            reported.append(line)
            found = re.search(r"at (http://\S+);", line)
            if found:
                yield found[1]
                return
        raise AssertionError(f"regionlake serve ended: {''.join(reported)}")
    finally:
        process.terminate()
        process.wait(30)
        process.stderr.close()  # type: ignore[union-attr]
