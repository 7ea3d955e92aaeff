"""`regionlake lab`: what trains, generates and evaluates, apart from the commands that use a lake."""

import typer

from deploy.cli.commands.lab import evaluate, generate, train

app = typer.Typer(name="lab", help="Train, generate and evaluate.", no_args_is_help=True)
app.command()(generate.generate)
app.add_typer(evaluate.app)
app.add_typer(train.app)
