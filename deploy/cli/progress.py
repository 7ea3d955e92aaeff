"""Progress of long work on standard error: a bar in a terminal, elsewhere a line every ten seconds."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from deploy.cli.output import console
from deploy.wording import counted

if TYPE_CHECKING:
    from pipeline.ingest.progress import Progress

LINE_EVERY_S = 10.0  # in a log file: often enough to see that the run is alive


@contextmanager
def shown_progress() -> Iterator[Callable[["Progress"], None]]:
    """Yields a callback that shows the Progress that it is called with."""
    if not sys.stderr.isatty():
        lines = Throttle()
        yield lambda progress: lines(progress_text(progress))
        return
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    with Bar(TextColumn("{task.description}"), BarColumn(), console=console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def show(progress: "Progress") -> None:
            total = progress.media_total_s or None
            bar.update(task, description=progress_text(progress), completed=progress.media_s, total=total)

        yield show


def progress_text(progress: "Progress") -> str:
    """`812 frames/s · 27.1 × real time · ETA 0:42 · 3 segments done, 5 to do · 41 keyframes, 1,204 regions`."""
    rate = f"{progress.frames_per_s:.{0 if progress.frames_per_s >= 10 else 1}f}"
    video = f" · {progress.times_real_time:.1f} × real time" if progress.media_total_s else ""
    eta = "–" if progress.eta_s is None else "{}:{:02}".format(*divmod(round(progress.eta_s), 60))
    return (
        f"{rate} frames/s{video} · ETA {eta} · "
        f"{counted(progress.segments, 'segment')} done, {progress.backlog_segments} to do · "
        f"{counted(progress.keyframes, 'keyframe')}, {counted(progress.regions, 'region')}"
    )


@contextmanager
def shown_count(unit: str) -> Iterator[Callable[[int, int], None]]:
    """Yields a callback that shows `done` of `total`."""
    if not sys.stderr.isatty():
        lines = Throttle()
        yield lambda done, total: lines(f"{done:,} of {total:,} {unit}")
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn(unit), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task(unit, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def shown_steps() -> Iterator[Callable[[str], None]]:
    """Yields a callback that shows the current step; outside of a terminal, only steps of a new kind."""
    if not sys.stderr.isatty():
        yield _Steps()
        return

    with console(stderr=True).status("starting") as status:
        yield status.update


class _Steps:
    """Prints a step, unless only its numbers differ from those of the last one."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, step: str) -> None:
        kind = "".join(c for c in step if not c.isdigit())
        if kind != self._last:
            self._last = kind
            print(f"progress: {step}", file=sys.stderr, flush=True)


class Throttle:
    """Prints a line, unless the last one is less than LINE_EVERY_S old."""

    def __init__(self) -> None:
        self._last_s = time.monotonic()

    def __call__(self, line: str) -> None:
        now = time.monotonic()
        if now - self._last_s >= LINE_EVERY_S:
            self._last_s = now
            with suppress(OSError):  # a log on a full disk must not end the run
                print(f"progress: {line}", file=sys.stderr, flush=True)
