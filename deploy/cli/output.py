"""How results are printed (tables for people, JSON for programs), and what exit codes mean."""

import io
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, TextIO, cast

from schemas.visible_text import visible, visible_json

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, the convention of shells
Json = dict[str, object]


def print_json(value: object) -> None:
    print(visible_json(value))


@contextmanager
def results_only() -> Iterator[None]:
    """Redirects what libraries print to standard output (Ray reports workers that died) to standard error."""
    with redirect_stdout(sys.stderr):
        yield


@contextmanager
def visible_output() -> Iterator[None]:
    """Writes control characters to standard output and standard error as escapes, whoever prints them.

    Names of files, labels and errors contain what somebody else chose. Only the console of this module, which escapes
    them itself, writes control characters: its colours.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a sign that the terminal's encoding lacks ends nothing
    out, error = cast(TextIO, _VisibleStream(sys.stdout)), cast(TextIO, _VisibleStream(sys.stderr))
    with redirect_stdout(out), redirect_stderr(error):
        yield


def console(*, stderr: bool = False) -> "Console":
    """A console without markup, which shows control characters as escapes.

    At least 140 columns wide, so that tables omit no column; 160 where it is no terminal, so that the lines of a table
    in a file are not folded. stderr: for progress, as wide as the terminal.
    """
    out = _visible_console(stderr=stderr, width=None)
    if stderr:
        return out
    return _visible_console(stderr=False, width=max(out.width, 140) if out.is_terminal else 160)


def screen() -> "Console":
    """The console of a table that is shown again and again, as wide as the terminal."""
    return _visible_console(stderr=False, width=None)


def _visible_console(*, stderr: bool, width: int | None) -> "Console":
    from rich.console import Console
    from rich.segment import Segment

    class VisibleConsole(Console):
        def render(self, renderable: "RenderableType", options: "ConsoleOptions | None" = None) -> "Iterable[Segment]":
            for segment in super().render(renderable, options):
                if segment.control:
                    yield segment
                else:
                    yield Segment(visible(segment.text, lines=True), segment.style)

    stream = sys.stderr if stderr else sys.stdout
    raw = stream.raw if isinstance(stream, _VisibleStream) else stream
    return VisibleConsole(file=raw, highlight=False, markup=False, emoji=False, width=width)


class _VisibleStream:
    """A text stream that escapes control characters.

    raw: the stream that it writes to.
    """

    def __init__(self, raw: TextIO) -> None:
        self.raw = raw

    def write(self, text: str) -> int:
        self.raw.write(visible(text, lines=True))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> object:
        return getattr(self.raw, name)
