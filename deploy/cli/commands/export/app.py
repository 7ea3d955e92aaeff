"""`regionlake export`: writes what a lake holds for other tools, and as evidence for other people."""

import typer

from deploy.cli.commands.export.datasets import DATASETS, dataset_command
from deploy.cli.commands.export.evidence import evidence
from deploy.cli.commands.export.key import key
from deploy.cli.commands.export.regions import HELP
from deploy.cli.commands.export.tables import TABLES, table_command
from deploy.cli.commands.export.verify import verify

app = typer.Typer(name="export", help="Export regions for other tools, or evidence.", no_args_is_help=True)
for each in DATASETS:
    app.command(each.name, help=each.help)(dataset_command(each))
for written_as, about in TABLES.items():
    app.command(written_as, help=f"{about}\n\n{HELP}")(table_command(written_as))
for command in (evidence, verify, key):
    app.command()(command)
