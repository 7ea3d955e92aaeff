"""`regionlake sql`: answers one SELECT over the tables and views of a lake."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from deploy.cli.options import LakeOption, SinceOption, UntilOption
from deploy.cli.output import console
from deploy.cli.values import parse_bytes, parse_duration
from deploy.cli.without_pandas import import_arrow_without_pandas
from deploy.pictures.plotting import PLOT_SUFFIXES
from deploy.wording import counted

Written = Literal["table", "csv", "json", "parquet"]  # repeated from deploy.tables.answer_table, which imports Arrow
_ANY_WIDTH = 100_000  # columns


def sql(
    query: Annotated[str, typer.Argument(help="One SELECT; - reads it from standard input.", show_default=False)],
    lake: LakeOption,
    source: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only sources whose path, URL or feed contains this, or a glob.")
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    written_as: Annotated[
        Written | None,
        typer.Option("--format", help="By default that of FILE's suffix, or a table.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the answer to this file.", dir_okay=False)
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png|.svg|.pdf", help="Draw the answer into this file.", dir_okay=False),
    ] = None,
    timeout: Annotated[str, typer.Option(metavar="60s|10m", help="Stop a query that runs for longer.")] = "60s",
    memory: Annotated[str, typer.Option(metavar="1GB", help="Stop a query that needs more memory.")] = "1GB",
) -> None:
    """Count, follow and measure with SQL.

    Tables: sources, shots, frames, regions, labels. Views: objects, sightings, visits, stays, counts, heat, and
    crossings of a line. "DESCRIBE visits" lists the columns of one. Zones and lines are drawn in the query:
    visits(zone := '0,0.5,1,1'), crossings('0.5,0 0.5,1'). Nothing is changed, and nothing but the lake is read.
    """
    if query == "-":
        query = sys.stdin.read()
    chosen = written_as or _format_of(out)
    if chosen == "parquet" and out is None:
        raise typer.BadParameter("parquet needs --out FILE", param_hint="--format")
    if plot is not None and plot.suffix.lower() not in PLOT_SUFFIXES:
        raise typer.BadParameter(f"{plot} must end in one of {' '.join(PLOT_SUFFIXES)}", param_hint="--plot")
    import_arrow_without_pandas()
    from deploy.tables.answer_table import SHOWN_ROWS, shown_records, shown_table, write_table
    from pipeline.analysis.lake_rows import LakeRows
    from pipeline.analysis.sql import SqlLimits, require_select, run_sql
    from pipeline.lake.lake import Lake

    limits = SqlLimits(
        timeout_s=parse_duration(timeout, option="--timeout").total_seconds(),
        memory_bytes=parse_bytes(memory, option="--memory"),
    )
    require_select(query)
    answer = run_sql(LakeRows(Lake.open(lake), source, since=since, until=until), query, limits=limits)
    if plot is not None:
        from deploy.pictures.answer_plot import write_plot

        write_plot(answer, plot)
        typer.echo(f"plot: {plot}", err=True)
    if out is not None:
        write_table(answer, out, written_as=chosen)
        typer.echo(f"{out}: {counted(answer.num_rows, 'row')}", err=True)
    elif plot is None and chosen == "table":
        if answer.num_rows:
            out_console, table = console(), shown_table(answer)
            unlimited = out_console.options.update(width=_ANY_WIDTH)
            fits = out_console.measure(table, options=unlimited).maximum <= out_console.width
            out_console.print(table if fits else shown_records(answer))
        hidden = answer.num_rows - SHOWN_ROWS
        omitted = f", {hidden:,} not shown: add LIMIT, or --out FILE.csv" if hidden > 0 else ""
        typer.echo(counted(answer.num_rows, "row") + omitted, err=True)
    elif plot is None:
        import io

        buffer = io.BytesIO()
        write_table(answer, buffer, written_as=chosen)
        sys.stdout.write(buffer.getvalue().decode())


def _format_of(out: Path | None) -> Written:
    """The format that the suffix of a file names; a table for none."""
    if out is None:
        return "table"
    match out.suffix.lower():
        case ".csv":
            return "csv"
        case ".json":
            return "json"
        case ".parquet":
            return "parquet"
    raise typer.BadParameter(f"{out} ends in none of .csv, .json and .parquet: add --format", param_hint="--out")
