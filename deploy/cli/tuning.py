"""What `regionlake upkeep --tune` does and prints: the index of a lake, and the recall that was measured."""

import math
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from deploy.cli.output import console, print_json
from deploy.pictures.plotting import PLOT_SUFFIXES
from deploy.pictures.recall_plot import where_measured
from deploy.wording import short_size

if TYPE_CHECKING:
    from pipeline.search.index.tuning import Tuned

_BETWEEN_S = 60.0  # a look at what is new costs a second


def tune_lake(lake: str, *, plot: Path | None, as_json: bool) -> None:
    """Builds or refreshes the index of a lake, measures it, and prints and draws what was measured."""
    if plot is not None and plot.suffix.lower() not in PLOT_SUFFIXES:
        raise typer.BadParameter(f"{plot} must end in one of {' '.join(PLOT_SUFFIXES)}", param_hint="--plot")
    from pipeline.lake.lake import Lake
    from pipeline.lake.lake_encoder import load_lake_encoder
    from pipeline.search.index.tuning import tune

    os.nice(10)  # others ingest and search meanwhile
    opened = Lake.open(lake)
    encoder = load_lake_encoder(opened)
    try:
        tuned = tune(opened, encoder, on_step=lambda step: typer.echo(f"{step} …", err=True))
    finally:
        encoder.close()
    if as_json:
        print_json(asdict(tuned))
    else:
        _print(lake, tuned)
    if plot is not None:
        from deploy.pictures.recall_plot import write_recall_plot

        write_recall_plot(tuned.tuning, plot)
        typer.echo(f"plot: {plot}", err=True)


class TuningBeside:
    """Tunes a lake in a process of its own, whenever a tenth of its regions is new, beside passes of upkeep.

    It needs no lease and yields the processor to others. One that is ended continues the next time.
    """

    def __init__(self, lake: str) -> None:
        self._lake = lake
        self._child: subprocess.Popen[str] | None = None
        self._due_s = -math.inf

    def look(self) -> str | None:
        """Begins what is due, and returns what a tuning that has ended printed."""
        said: str | None = None
        if self._child is not None and self._child.poll() is not None:
            said, self._child = self._child.communicate()[0].strip() or None, None
        if self._child is None and time.monotonic() >= self._due_s:
            self._due_s = time.monotonic() + _BETWEEN_S
            code = "import sys; from deploy.cli.tuning import tune_if_stale; tune_if_stale(sys.argv[1])"
            command = [sys.executable, "-c", code, self._lake]
            self._child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
        return said

    def close(self) -> None:
        """Ends a tuning that is not finished."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()


def tune_if_stale(lake: str) -> None:
    """Builds or refreshes the index of a lake where that is due, and prints what was done in one line, or why not."""
    from pipeline.lake.lake import Lake
    from pipeline.lake.lake_encoder import load_lake_encoder
    from pipeline.search.index.tuning import is_stale, tune
    from schemas.errors import RegionLakeError

    os.nice(10)
    try:
        opened = Lake.open(lake)
        if not is_stale(opened):
            return
        encoder = load_lake_encoder(opened)
        tuned = tune(opened, encoder)
    except RegionLakeError as error:
        print(f"not tuned: {error}")
    else:
        print(f"tuned: an index of {tuned.regions:,} regions, built in {tuned.build_s:.0f} s")


def _print(lake: str, tuned: "Tuned") -> None:
    from rich.table import Table

    out = console()
    table = Table("query", "index read", "recall@10", "recall@100", "time", box=None, pad_edge=False)
    for point in tuned.tuning.curve:
        chosen = tuned.tuning.reached(point.area, k=10, zone=point.zone) == point.share
        table.add_row(
            where_measured(point),
            f"{point.share:.2%}" + (" *" if chosen else ""),
            f"{point.recall_10:.3f}",
            f"{point.recall_100:.3f}",
            f"{point.took_ms:.0f} ms",
        )
    out.print(table)
    done = f"built in {tuned.build_s:.0f} s" if tuned.built else "nearly all regions are in it already"
    size = f"{tuned.regions:,} regions, {short_size(tuned.bytes)}"
    out.print(f"{lake}: index of {size}; {done}; measured with {tuned.tuning.queries} in {tuned.measure_s:.0f} s")
    exact_s = tuned.tuning.exact_ns * tuned.regions / 1e9
    out.print(
        f"* is read for ten hits at a recall of {tuned.tuning.recall_target:.0%}, where an exact answer takes long"
    )
    out.print(f"an exact answer over all regions takes about {exact_s:.2f} s")
