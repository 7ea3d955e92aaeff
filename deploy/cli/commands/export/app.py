"""`regionlake export`: writes what a lake holds for other tools."""

import typer

from deploy.cli.commands.export.datasets import DATASETS, dataset_command
from deploy.cli.commands.export.tables import csv, parquet

app = typer.Typer(name="export", help="Export regions for other tools.", no_args_is_help=True)
for each in DATASETS:
    app.command(each.name, help=each.help)(dataset_command(each))
app.command()(csv)
app.command()(parquet)
