"""`regionlake audit`: who asked a service what."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.options import LakeOption
from deploy.cli.output import console, print_json
from schemas.visible_text import visible


def audit(
    lake: LakeOption,
    who: Annotated[str | None, typer.Option(metavar="NAME", help="Only what this user did.")] = None,
    action: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="Only this: search, export, clip, pin, “add feed” … Repeatable."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only what was asked at this moment (UTC) or later.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only what was asked before this moment (UTC).")
    ] = None,
    contains: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only entries whose JSON has this text, such as an id.")
    ] = None,
    last: Annotated[
        int | None, typer.Option(min=1, metavar="NUMBER", help="Only so many of the newest.", show_default="all")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each entry as one line of JSON instead.")] = False,
) -> None:
    """Show who asked a service what, and what they changed.

    A service with a login records searches, clips, exports, sign-ins and every change beside its lake.
    """
    from collections import deque

    from deploy.server.auditing.audit_log import audit_folder, chosen, read_audit

    first, end = _moment(since, "--since"), _moment(until, "--until")
    folder = audit_folder(lake)
    _require_audit(folder, lake)
    found = chosen(read_audit(folder), who=who, actions=action or (), since=first, until=end, contains=contains)
    entries = deque(found, maxlen=last) if last is not None else found
    if as_json:
        for entry in entries:
            print_json(entry)
        return
    from rich.table import Table

    table = Table("at", "who", "from", "action", "", "what", box=None, pad_edge=False)
    for entry in entries:
        status = str(entry.get("status", ""))
        what = ", ".join(f"{name} {_short(value)}" for name, value in dict(entry.get("what") or {}).items())
        cells = [str(entry["at"])[:19], str(entry["who"] or "?"), str(entry.get("from", "")), str(entry["action"])]
        table.add_row(*map(visible, cells), "" if status.startswith("2") else status, visible(what))
    console().print(table)


def _require_audit(folder: Path, lake: str) -> None:
    from schemas.errors import LakeError

    try:
        folder.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise LakeError(f"no service with a login has recorded anything for the lake {lake}") from None
    except OSError as error:
        raise LakeError(f"{folder} cannot be read: {error.strerror}") from None


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _moment(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time; write 2026-05-01T12:00:00", param_hint=option) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
