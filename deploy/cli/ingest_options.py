"""Options of `regionlake ingest` only: what is ingested, where it runs, and what is followed."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Engine = Literal["local", "ray"]
SourcesArgument = Annotated[
    list[str] | None, typer.Argument(help="Files, folders, globs, http(s):// or s3:// URLs.", show_default=False)
]
EngineOption = Annotated[
    Engine, typer.Option(help="Run in one process, or on Ray (this machine, or the cluster of RAY_ADDRESS).")
]
ReplaceOption = Annotated[
    bool,
    typer.Option(
        "--replace",
        help="Replace sources that were ingested with another plan, or whose files have changed. Pins stay; a file "
        "that has changed is refused while the old one is pinned.",
    ),
]
ReembedOption = Annotated[
    bool,
    typer.Option(
        "--reembed",
        help="Only add a column with vectors of --model, or shorter ones, for keyframes that the lake already has.",
    ),
]
ThumbnailsOption = Annotated[
    bool,
    typer.Option("--thumbnails", help="With --reembed: embed the lake's thumbnails, and read no source."),
]
FollowOption = Annotated[
    bool,
    typer.Option(
        "--follow",
        help="Follow rtsp://, udp:// and other streams, growing files, and folders into which files are put.",
    ),
]
FeedsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.toml", help="Follow the feeds of this file, which `regionlake feeds` writes.", dir_okay=False
    ),
]
MetricsPortOption = Annotated[int | None, typer.Option(help="Serve metrics of the feeds to Prometheus at this port.")]
MetricsHostOption = Annotated[
    str | None,
    typer.Option(
        help="Address at which metrics are served: 0.0.0.0 for all of this machine.", show_default="127.0.0.1"
    ),
]
