"""How results are printed: tables for people, JSON for programs; and what exit codes mean."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it
Json = dict[str, object]


def print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False))


@contextmanager
def results_only() -> Iterator[None]:
    """In the block, what others print to standard output (Ray tells there of workers that died) goes to standard
    error."""
    with redirect_stdout(sys.stderr):
        yield


def console() -> "Console":
    """Standard output; wide when it is no terminal, so that a table in a file is not folded, and never so narrow
    that a table must leave columns out: the terminal then breaks its lines."""
    from rich.console import Console

    out = Console(highlight=False, markup=False)
    return Console(highlight=False, markup=False, width=max(out.width, 140) if out.is_terminal else 160)
