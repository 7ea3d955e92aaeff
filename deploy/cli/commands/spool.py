"""`regionlake spool`: the batches that wait on disk for a lake, and those that it does not accept."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.options import JsonOption, LakeOption
from deploy.cli.output import EXIT_FAILED, Json, console, print_json
from deploy.wording import counted, lasted, short_names, short_size
from schemas.visible_text import visible

if TYPE_CHECKING:
    from pipeline.live.commits.refused_batches import RefusedBatch, RefusedBatches
    from pipeline.live.status.state_folder import StateFolder

app = typer.Typer(name="spool", help="List, retry and drop rows that a lake does not accept.", no_args_is_help=True)

NamesArgument = Annotated[
    list[str] | None, typer.Argument(help="Numbers of batches, as `spool list` shows them.", show_default=False)
]
_SOURCES_SHOWN = 3


@app.command(name="list")
def show(lake: LakeOption, as_json: JsonOption = False) -> None:
    """Show the batches that the lake does not accept, why, and how many others wait for it."""
    state = _state(lake)
    found = list(_refused(state).read())
    waiting = len(list(state.spool.glob("*.zip")))
    if as_json:
        print_json({"lake": lake, "waiting": waiting, "refused": [_json(each) for each in found]})
        return
    _print(found)
    console().print(f"{counted(waiting, 'batch waits', 'batches wait')} for the lake, {len(found):,} refused")


@app.command()
def retry(lake: LakeOption, names: NamesArgument = None, as_json: JsonOption = False) -> None:
    """Try refused batches again, all by default, and commit whatever waits.

    A running follower commits them; otherwise this command does, under the writer's lease. Exit code 1 if some
    are still refused, or wait because the lake is out of reach or has another writer.
    """
    from deploy.cli.feeds_view import gone_text
    from schemas.errors import LakeError

    state = _state(lake)
    refused = _refused(state)
    state.make_own()
    moved = refused.named(names or [])
    state.spool.mkdir(parents=True, exist_ok=True, mode=0o700)
    for each in moved:
        refused.try_again(each)
    status = state.read_status() if state.status.exists() else None
    if status is not None and gone_text(status, now=datetime.now(UTC)) is None:
        _report(len(moved), as_json, text=f"the follower, process {status.pid}, commits them", follower=status.pid)
        return
    from pipeline.live.commits.commit_waiting import commit_waiting

    try:
        done = commit_waiting(lake)
    except LakeError as error:
        _report(len(moved), as_json, text=f"they wait: {error}", error=str(error))
        raise typer.Exit(EXIT_FAILED) from None
    text = f"{counted(done.commits, 'batch', 'batches')} committed, {done.refused:,} refused"
    why = done.error if done.spooled else done.refusal
    text += f", {done.spooled:,} wait" if done.spooled else ""
    text += f": {why}" if why else ""
    counts: Json = {"commits": done.commits, "refused": done.refused, "waiting": done.spooled, "error": why}
    _report(len(moved), as_json, text=text, **counts)
    if done.spooled or done.refused:
        raise typer.Exit(EXIT_FAILED)


@app.command()
def drop(
    lake: LakeOption,
    names: NamesArgument = None,
    everything: Annotated[bool, typer.Option("--all", help="Drop every refused batch.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete refused batches for ever; the ledger keeps the note that their segments failed."""
    if bool(names) == everything:
        raise typer.BadParameter("name the batches to drop, or give --all", param_hint="NAMES")
    refused = _refused(_state(lake))
    found = refused.named(names or [])
    for each in found:
        refused.drop(each)
    if as_json:
        print_json({"dropped": [_number(each) for each in found]})
    else:
        console().print(f"{counted(len(found), 'batch', 'batches')} dropped")


def _state(lake: str) -> "StateFolder":
    """The state folder of a lake. Raises LakeError where there is no such folder."""
    from pipeline.lake.local_folder import local_folder
    from pipeline.live.status.state_folder import StateFolder
    from schemas.errors import LakeError

    folder = local_folder(lake)
    if folder is not None and not folder.is_dir():
        raise LakeError(f"nothing waits for a lake at {lake}, because there is none")
    return StateFolder.of(lake)


def _refused(state: "StateFolder") -> "RefusedBatches":
    from pipeline.live.commits.refused_batches import RefusedBatches

    return RefusedBatches(state.refused, spool=state.spool)


def _number(batch: "RefusedBatch") -> str:
    return batch.name.lstrip("0") or "0"


def _sources(batch: "RefusedBatch") -> list[str]:
    if batch.contents is None:
        return []
    named = [segment.source.uri for segment, _ in batch.contents.segments]
    return list(dict.fromkeys([*named, *(source.uri for source in batch.contents.ended)]))


def _json(batch: "RefusedBatch") -> Json:
    contents = batch.contents
    return {
        "name": _number(batch),
        "at": batch.at.isoformat(),
        "reason": batch.reason,
        "file": str(batch.file),
        "bytes": batch.bytes,
        "readable": contents is not None,
        "plan": contents.plan if contents else "",
        "segments": len(contents.segments) if contents else 0,
        "frames": sum(frames for _, frames in contents.segments) if contents else 0,
        "sources": _sources(batch),
    }


def _print(found: "list[RefusedBatch]") -> None:
    from rich.table import Table

    if not found:
        return
    table = Table("batch", "since", "segments", "frames", "size", "sources", "reason", box=None, pad_edge=False)
    now = datetime.now(UTC)
    for each in found:
        uris = _sources(each)
        names = list(short_names(uris).values())
        more = f" and {len(names) - _SOURCES_SHOWN} more" if len(names) > _SOURCES_SHOWN else ""
        about = _json(each)
        table.add_row(
            _number(each),
            lasted((now - each.at).total_seconds()),
            str(about["segments"]),
            str(about["frames"]),
            short_size(each.bytes),
            ", ".join(names[:_SOURCES_SHOWN]) + more,
            visible(each.reason),
        )
    console().print(table)


def _report(moved: int, as_json: bool, *, text: str, **fields: object) -> None:
    if as_json:
        print_json({"retried": moved, **fields})
    else:
        console().print(
            visible(f"{counted(moved, 'refused batch is', 'refused batches are')} tried again; {text}"), soft_wrap=True
        )
