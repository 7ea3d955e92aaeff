"""The small lake of the service's tests, its server, and the command."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.deploy.server.conftest import url, world

__all__ = ["regionlake_mcp", "url", "world"]


@pytest.fixture
def regionlake_mcp() -> Callable[..., tuple[int, str]]:
    """Runs `regionlake mcp ARGUMENTS…` without input; returns its exit code and what it wrote to standard error."""

    def run(*arguments: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "deploy.cli.main", "mcp", *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
        return ended.returncode, ended.stderr

    return run
