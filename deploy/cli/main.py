"""The `regionlake` command: its subcommands, its log, and how errors are shown.

Subcommands import what they need when they run: `regionlake --help` must not wait for torch.
"""

import os
import sys
import traceback
from importlib.metadata import version
from typing import Annotated

import typer

from deploy.cli.commands import (
    audit,
    check,
    copy,
    doctor,
    feeds,
    forget,
    ingest,
    labels,
    mcp,
    models,
    pin,
    plan,
    repair,
    search,
    serve,
    spool,
    sql,
    status,
    upkeep,
    users,
    watch,
)
from deploy.cli.commands.export import app as export
from deploy.cli.commands.lab import app as lab
from deploy.cli.commands.lab.generate import generate
from deploy.cli.output import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, visible_output
from deploy.cli.query_options import with_flags
from deploy.cli.sections import SectionedGroup
from deploy.monitoring.logs import configure_logs
from schemas.errors import InvalidValueError, ModelError, PlanError, QueryError, RegionLakeError
from schemas.visible_text import visible

USAGE_ERRORS = (InvalidValueError, ModelError, PlanError)
INTERRUPTED = "regionlake: interrupted; an ingest continues from its last commit when it is run again"

app = typer.Typer(
    name="regionlake",
    cls=SectionedGroup,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: the README has a copy of it
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command()(ingest.ingest)
app.command()(search.search)
app.command()(sql.sql)
app.command()(serve.serve)
app.command()(mcp.mcp)
app.command()(watch.watch)
app.command()(status.status)
app.command()(check.check)
app.command()(repair.repair)
app.command()(copy.copy)
app.command()(upkeep.upkeep)
app.command()(pin.pin)
app.command()(pin.unpin)
app.command()(forget.forget)
app.command()(plan.plan)
app.command()(models.models)
app.command()(doctor.doctor)
app.command()(audit.audit)
app.add_typer(export.app)
app.add_typer(labels.app)
app.add_typer(users.app)
app.add_typer(feeds.app)
app.add_typer(spool.app)
app.add_typer(lab.app)
for group in lab.GROUPS:
    app.add_typer(group, hidden=True)
app.command(hidden=True)(generate)
MOVED = ("eval", "train", "generate")  # names of 0.1.0, to be removed in 0.4.0


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"regionlake {version('regionlake')}")
        raise typer.Exit


@app.callback()
def _common(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Turn video into a lake of regions, and find the moment when THIS appeared THERE.

    Exit codes: 0 done, 1 some inputs failed (each is named), 2 wrong usage.
    """
    if context.invoked_subcommand in MOVED:
        name = context.invoked_subcommand
        print(f"regionlake: `regionlake {name}` is deprecated; use `regionlake lab {name}`", file=sys.stderr)
    configure_logs(os.environ)


def main() -> None:
    """Entry point: errors of RegionLake are printed as one line, any other error with its traceback."""
    with visible_output():
        _main()


def _main() -> None:
    try:
        app(prog_name="regionlake")
    except QueryError as error:
        _leave(f"regionlake: {with_flags(str(error))}", EXIT_USAGE)
    except USAGE_ERRORS as error:
        _leave(f"regionlake: {error}", EXIT_USAGE)
    except RegionLakeError as error:
        _leave(f"regionlake: {error}", EXIT_FAILED)
    except ModuleNotFoundError as error:
        if error.name not in lab.MODULES:
            raise
        _leave(f"regionlake: {error.name} is not installed; run: pip install 'regionlake[lab]'", EXIT_FAILED)
    except KeyboardInterrupt:  # outside of click: before a command begins, or after it has ended
        _leave(INTERRUPTED, EXIT_INTERRUPTED)
    except SystemExit as leaving:
        if leaving.code == EXIT_INTERRUPTED:
            print(INTERRUPTED, file=sys.stderr)
        raise
    except Exception:
        traceback.print_exc()  # here, where names in it are shown without control characters
        sys.exit(EXIT_FAILED)


def _leave(message: str, code: int) -> None:
    print(visible(message), file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
