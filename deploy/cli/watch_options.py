"""Options of `regionlake watch` only: what counts as a hit, where hits go, and where the state is kept."""

from pathlib import Path
from typing import Annotated, Literal

import typer

MaxDistanceOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        metavar="DISTANCE",
        help="The largest distance of a hit, for boxes alone and for models without confidences; `regionlake search` "
        "prints distances for the same options.",
    ),
]
ThresholdOption = Annotated[
    float | None, typer.Option(min=0, metavar="DISTANCE", help="The former name of --max-distance.", hidden=True)
]
CooldownOption = Annotated[
    float,
    typer.Option(min=0, metavar="SECONDS", help="After a hit, report no other one of that feed or file for this long."),
]
StayOption = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="SECONDS",
        help="Report what stays at least this long, once; hits that are at most 30 s apart are one stay.",
    ),
]
HoursOption = Annotated[
    str | None,
    typer.Option(
        metavar="HOURS", help="Report only at these hours: `mon-fri 20:00-06:00 Europe/Berlin`.", show_default="always"
    ),
]
NameOption = Annotated[
    str | None, typer.Option(help="The name of this watch in its hits.", show_default="made from TEXT")
]
QueriesOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.toml",
        help="A file of several watches: [watch.NAME] tables with these options as keys.",
        exists=True,
        dir_okay=False,
    ),
]
BeginOption = Annotated[
    Literal["now", "start"],
    typer.Option(
        "--since", help="Where a new watch begins: with what is committed from now on, or with all that the lake holds."
    ),
]
OnceOption = Annotated[
    bool, typer.Option("--once", help="End when everything in the lake has been searched and every hit was sent.")
]
OutOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE.jsonl", help="Append hits to this file.", show_default="standard output"),
]
WebhookOption = Annotated[str | None, typer.Option(metavar="URL", help="Also POST each hit to this address.")]
WebhookTokenOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="The environment variable with the bearer token of the webhook.")
]
WebhookTimeoutOption = Annotated[
    float, typer.Option(metavar="SECONDS", help="How long the webhook may take to answer.")
]
GiveUpOption = Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Hits older than this are not sent again.")]
DeadLetterOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.jsonl", help="Where hits that were given up are written.", show_default="beside --state"
    ),
]
StateOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Remembers what was searched and reported, for the next start.",
        show_default="a file in the lake, by the name",
    ),
]
PollOption = Annotated[float, typer.Option(min=0.05, metavar="SECONDS", help="How often the lake is searched.")]
