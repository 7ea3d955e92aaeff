"""Options of `regionlake serve` only: where it listens, who may ask, and what it follows and ingests."""

from pathlib import Path
from typing import Annotated

import typer

PortOption = Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 takes any free one.")]
HostOption = Annotated[
    str,
    typer.Option(help="The address to listen on. Any but loopback needs a login, and TLS or a proxy that adds it."),
]
UsersOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE.toml", help="Those who may ask, as `regionlake users` writes them.", dir_okay=False),
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The first line of this file is the token of an admin.", dir_okay=False),
]
TlsCertOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The certificate with its chain, PEM: serve https.", dir_okay=False),
]
TlsKeyOption = Annotated[Path | None, typer.Option(metavar="FILE", help="The key of --tls-cert, PEM.", dir_okay=False)]
BehindProxyOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ADDRESS",
        help="The address or network of a proxy that adds TLS; only through it may be asked. Repeatable.",
    ),
]
PlainHttpOption = Annotated[
    bool, typer.Option("--plain-http", help="Let others ask without TLS: whoever is between reads tokens.")
]
AllowHostOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Another name of this service, as a proxy passes it on. Repeatable."),
]
FollowOption = Annotated[
    list[str] | None,
    typer.Option(metavar="ADDRESS", help="Follow this stream, folder or growing file into the lake, too. Repeatable."),
]
FeedsOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE.toml", help="Follow the feeds of this file, which the page can change.", dir_okay=False),
]
FeedHostOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="HOST",
        help="Feeds may be added from this host, glob or network (10.0.0.0/8). Repeatable.",
        show_default="any without a login, else none",
    ),
]
IngestFromOption = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FOLDER",
        help="Files of this folder may be ingested over HTTP. Repeatable.",
        exists=True,
        file_okay=False,
    ),
]
