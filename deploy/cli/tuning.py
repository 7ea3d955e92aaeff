"""What `regionlake upkeep --tune` does and prints: the index of a lake, and the recall that was measured."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from deploy.cli.output import console, print_json
from deploy.plotting import PLOT_SUFFIXES
from deploy.wording import short_size

if TYPE_CHECKING:
    from pipeline.search.index.tuning import Tuned


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
        from deploy.recall_plot import write_recall_plot

        write_recall_plot(tuned.tuning, plot)
        typer.echo(f"plot: {plot}", err=True)


def _print(lake: str, tuned: "Tuned") -> None:
    from rich.table import Table

    out = console()
    table = Table("query", "index read", "recall@10", "recall@100", "time", box=None, pad_edge=False)
    for point in tuned.tuning.curve:
        chosen = tuned.tuning.reached(point.area, k=10) == point.share
        table.add_row(
            f"box of {point.area:.0%} of the frame" if point.area else "anywhere",
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
