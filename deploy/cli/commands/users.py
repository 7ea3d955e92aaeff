"""`regionlake users`: the file of those who may ask a service."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.options import JsonOption
from deploy.cli.output import console, print_json
from deploy.server.access.rights import ROLES, Role
from schemas.visible_text import visible

app = typer.Typer(name="users", help="Add, remove and list those who may ask a service.", no_args_is_help=True)

FileOption = Annotated[
    Path, typer.Option("--users", metavar="FILE.toml", help="The file of users.", dir_okay=False, show_default=False)
]
NameArgument = Annotated[str, typer.Argument(help="The name of the user.", show_default=False)]


@app.command()
def add(
    name: NameArgument,
    users: FileOption,
    role: Annotated[Role, typer.Option(metavar="|".join(ROLES), help="What they may do.")] = "viewer",
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help="They see this feed or file, by its name or a glob (yard*, may/**). Repeatable.",
            show_default="every source",
        ),
    ] = None,
) -> None:
    """Add a user, and print their token: it is shown this once, and kept nowhere."""
    from deploy.server.access.users_file import UsersFile

    _print_token(UsersFile(users).add(name, role=role, sources=tuple(source) if source else None))


@app.command()
def token(name: NameArgument, users: FileOption) -> None:
    """Make a new token for a user; the former one, and whoever is signed in with it, are refused from then on."""
    from deploy.server.access.users_file import UsersFile

    _print_token(UsersFile(users).renew(name))


@app.command()
def remove(name: NameArgument, users: FileOption) -> None:
    """Remove a user; a running service refuses them from then on."""
    from deploy.server.access.users_file import UsersFile

    UsersFile(users).remove(name)


@app.command("list")
def list_users(users: FileOption, as_json: JsonOption = False) -> None:
    """Show the users, their roles, and the sources that they see."""
    from deploy.server.access.users_file import UsersFile

    found = sorted(UsersFile(users).read().items())
    if as_json:
        rows = [
            {"name": name, "role": user.role, "sources": user.sources and list(user.sources), "since": user.since}
            for name, user in found
        ]
        print_json({"users": rows})
        return
    from rich.table import Table

    table = Table("user", "role", "sees", "token of", box=None, pad_edge=False)
    for name, user in found:
        sees = "every source" if user.sources is None else ", ".join(user.sources) or "nothing"
        table.add_row(visible(name), user.role, visible(sees), visible(user.since))
    console().print(table)


def _print_token(token: str) -> None:
    typer.echo(token)
    typer.echo("regionlake: this token is shown once; whoever has it is this user", err=True)
