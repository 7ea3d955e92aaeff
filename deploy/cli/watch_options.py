"""The options of `regionlake watch` that no search has: what counts as a hit, where hits go, and what is remembered."""

from pathlib import Path
from typing import Annotated, Literal

import typer

ThresholdOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        metavar="DISTANCE",
        help="The largest distance of a hit, as `regionlake search` prints it for the same options.",
    ),
]
CooldownOption = Annotated[
    float, typer.Option(min=0, metavar="SECONDS", help="After a hit, no other of that feed or file for so long.")
]
NameOption = Annotated[str | None, typer.Option(help="What hits call this watch.", show_default="made of TEXT")]
QueriesOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.toml",
        help="Several watches instead: [watch.NAME] tables with these options as keys.",
        exists=True,
        dir_okay=False,
    ),
]
BeginOption = Annotated[
    Literal["now", "start"],
    typer.Option("--since", help="Where a new --state begins: at what comes, or with all that is in the lake."),
]
OnceOption = Annotated[bool, typer.Option("--once", help="End when all that there is has been looked at and sent.")]
OutOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE.jsonl", help="Append hits to this file.", show_default="standard output"),
]
WebhookOption = Annotated[str | None, typer.Option(metavar="URL", help="POST each hit to this address as well.")]
WebhookTokenOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="The environment's variable with the webhook's bearer token.")
]
WebhookTimeoutOption = Annotated[float, typer.Option(metavar="SECONDS", help="How long it may take to answer.")]
GiveUpOption = Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Hits this old are not tried again.")]
DeadLetterOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE.jsonl", help="Where they go then.", show_default="beside --state"),
]
StateOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="What was seen and told, for the next start.", show_default="in the lake, by the name"
    ),
]
PollOption = Annotated[float, typer.Option(min=0.05, metavar="SECONDS", help="How often the lake is looked at.")]
