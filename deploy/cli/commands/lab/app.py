"""`regionlake lab`: commands that train, generate and evaluate, separate from the commands that use a lake."""

import typer

from deploy.cli.commands.lab import train
from deploy.cli.commands.lab.evaluation import app as evaluation
from deploy.cli.commands.lab.generate import generate

GROUPS = (evaluation.app, train.app)
MODULES = ("yaml", "motmetrics")  # installed by the extra regionlake[lab]

app = typer.Typer(name="lab", help="Train, generate and evaluate.", no_args_is_help=True)
for group in GROUPS:
    app.add_typer(group)
app.command()(generate)
