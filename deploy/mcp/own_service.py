"""Starts `regionlake serve` for a lake, for the time in which an agent asks about it."""

import contextlib
import re
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from schemas.errors import ServiceError

_SERVING = re.compile(r"^serving .* at (http://\S+);")
_ENDS_S = 10.0


@dataclass(frozen=True, slots=True)
class OwnService:
    """url, token: for requests to the service."""

    url: str
    token: str


@contextlib.contextmanager
def own_service(lake: str) -> Iterator[OwnService]:
    """Serves a lake on loopback, with a token of its own; the service ends with the block.

    Its messages go to standard error, as standard output may be a protocol's. Raises ServiceError where it does not
    start: then what it wrote says why.
    """
    with tempfile.TemporaryDirectory(prefix="regionlake-mcp-") as folder:
        token = secrets.token_urlsafe(32)
        file = Path(folder) / "token"
        file.touch(mode=0o600)
        file.write_text(token + "\n")
        command = [sys.executable, "-m", "deploy.cli.main", "serve", "--lake", lake, "--port", "0"]
        process = subprocess.Popen(
            [*command, "--token-file", str(file)],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stderr is not None
            url = _address(process.stderr)
            if url is None:
                raise ServiceError(f"the lake {lake} cannot be served: see above")
            threading.Thread(target=_passed_on, args=(process.stderr,), daemon=True).start()
            yield OwnService(url, token)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_ENDS_S)
            process.kill()
            process.wait()


def _address(messages: IO[str]) -> str | None:
    """The address that the service states once it accepts requests; None if it ended before that."""
    for line in messages:
        if found := _SERVING.match(line):
            return found[1]
        sys.stderr.write(line)
    return None


def _passed_on(messages: IO[str]) -> None:
    for line in messages:
        sys.stderr.write(line)
