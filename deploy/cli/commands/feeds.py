"""`regionlake feeds`: the file of feeds that a follower reads again whenever it changes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from deploy.cli.options import JsonOption, NameTimeOption, TimezoneOption
from deploy.cli.output import console, print_json
from deploy.wording import counted
from schemas.visible_text import visible

if TYPE_CHECKING:
    from pipeline.live.feeds.feed_list import FeedEntry

app = typer.Typer(name="feeds", help="Add, remove, pause and list the feeds of a file.", no_args_is_help=True)

FileOption = Annotated[
    Path, typer.Option("--feeds", metavar="FILE.toml", help="The file of feeds.", dir_okay=False, show_default=False)
]
NameArgument = Annotated[str, typer.Argument(help="The name of the feed.", show_default=False)]


@app.command()
def add(
    name: NameArgument,
    url: Annotated[
        str,
        typer.Argument(
            help="The address of a stream, a folder or a growing file; ${NAME} is read from the environment.",
            show_default=False,
        ),
    ],
    feeds: FileOption,
    credentials: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A file with user:password; neither is written to the lake or a log."),
    ] = None,
    paused: Annotated[bool, typer.Option("--paused", help="Do not connect yet.")] = False,
    mask: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BOX|POLYGON",
            help='An area that is black before anything looks at the picture: 0,0,0.3,1 or "0,0.5 0.4,0.5 0.4,1". '
            "Repeatable.",
        ),
    ] = None,
    video_masked: Annotated[
        Literal["drop", "encode"],
        typer.Option(help="Keep no video of a feed with masks, or its frames, encoded again with the masks black."),
    ] = "drop",
    timezone: TimezoneOption = None,
    name_time: NameTimeOption = None,
    trust_certificate: Annotated[
        bool,
        typer.Option(
            "--trust-certificate", help="Trust the certificate that the server presents now, and no other from then on."
        ),
    ] = False,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Accept any certificate: whoever is between may replace the video.")
    ] = False,
) -> None:
    """Add a feed; a running follower connects to it at once."""
    from dataclasses import replace

    from pipeline.live.feeds.feed_list import FeedEntry, FeedList, entry_of

    held = None if credentials is None else str(credentials.expanduser().absolute())
    entry = FeedEntry(url) if "${" in url else entry_of(url)  # variables are those of the follower
    entry = replace(entry, credentials=held, paused=paused, verify=not no_verify)
    entry = replace(entry, masks=tuple(mask or ()), video_masked=video_masked)
    entry = replace(entry, timezone=timezone, name_time=name_time)
    if trust_certificate:
        if no_verify:
            raise typer.BadParameter("excludes --trust-certificate", param_hint="--no-verify")
        entry = replace(entry, certificate=_presented(entry))
    FeedList(feeds).add(name, entry)
    if entry.certificate is not None:
        typer.echo(f"trusted: the certificate with the SHA-256 {entry.certificate}")


def _presented(entry: "FeedEntry") -> str:
    """The fingerprint of the certificate that the feed's server presents."""
    from operators.readers.stream_tls import fingerprint, server_certificate, uses_tls

    address = entry.address()
    if not uses_tls(address):
        raise typer.BadParameter("needs an rtsps://, rtmps:// or https:// address", param_hint="--trust-certificate")
    return fingerprint(server_certificate(address, timeout_s=10.0))


@app.command()
def remove(name: NameArgument, feeds: FileOption) -> None:
    """Remove a feed; its recordings stay in the lake."""
    from pipeline.live.feeds.feed_list import FeedList

    FeedList(feeds).remove(name)


@app.command()
def pause(name: NameArgument, feeds: FileOption) -> None:
    """Disconnect a feed, and keep it in the file."""
    from pipeline.live.feeds.feed_list import FeedList

    FeedList(feeds).set_paused(name, True)


@app.command()
def resume(name: NameArgument, feeds: FileOption) -> None:
    """Connect to a paused feed again."""
    from pipeline.live.feeds.feed_list import FeedList

    FeedList(feeds).set_paused(name, False)


@app.command("list")
def list_feeds(feeds: FileOption, as_json: JsonOption = False) -> None:
    """Show the feeds of a file, without their passwords."""
    from pipeline.live.feeds.feed_list import FeedList

    entries = FeedList(feeds).read()
    if as_json:
        print_json(
            {
                "feeds": [
                    {
                        "name": name,
                        "url": entry.shown,
                        "paused": entry.paused,
                        "verify": entry.verify,
                        "certificate": entry.certificate,
                        "masks": entry.masks,
                        "video_masked": entry.video_masked,
                        "timezone": entry.timezone,
                        "name_time": entry.name_time,
                    }
                    for name, entry in entries.items()
                ]
            }
        )
        return
    from rich.table import Table

    table = Table("feed", "url", "", box=None, pad_edge=False)
    for name, entry in sorted(entries.items()):
        notes = [
            *(["paused"] if entry.paused else []),
            *([counted(len(entry.masks), "mask")] if entry.masks else []),
            *(["its certificate is not verified"] if not entry.verify else []),
            *([f"names in {entry.timezone}"] if entry.timezone else []),
            *([f"trusts the certificate {entry.certificate[:16]}…"] if entry.certificate else []),
        ]
        table.add_row(visible(name), visible(entry.shown), ", ".join(notes))
    console().print(table)
