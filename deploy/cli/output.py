"""How results are printed (tables for people, JSON for programs), and what exit codes mean."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, the convention of shells
Json = dict[str, object]


def print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False))


@contextmanager
def results_only() -> Iterator[None]:
    """Redirects what libraries print to standard output (Ray reports workers that died) to standard error."""
    with redirect_stdout(sys.stderr):
        yield


def console() -> "Console":
    """Standard output, at least 140 columns wide, so that tables omit no column; 160 where it is no terminal, so that
    the lines of a table in a file are not folded."""
    from rich.console import Console

    out = Console(highlight=False, markup=False)
    return Console(highlight=False, markup=False, width=max(out.width, 140) if out.is_terminal else 160)
