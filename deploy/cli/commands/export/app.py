"""`regionlake export`: writes what a lake holds for other tools, and as evidence for other people."""

import typer

from deploy.cli.commands.export.datasets import DATASETS, dataset_command
from deploy.cli.commands.export.evidence import evidence
from deploy.cli.commands.export.key import key
from deploy.cli.commands.export.tables import csv, parquet
from deploy.cli.commands.export.verify import verify

app = typer.Typer(name="export", help="Export regions for other tools, or evidence.", no_args_is_help=True)
for each in DATASETS:
    app.command(each.name, help=each.help)(dataset_command(each))
for command in (csv, parquet, evidence, verify, key):
    app.command()(command)
