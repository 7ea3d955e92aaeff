"""Options of the commands about evidence, and of redaction."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from deploy.evidence.keys import SigningKey
    from pipeline.redaction.config import RedactionConfig

SigningKeyOption = Annotated[
    Path | None,
    typer.Option(
        "--signing-key",
        metavar="FILE.pem",
        help="The private key (Ed25519) that signs; made on first use.",
        show_default="~/.config/regionlake/evidence-key.pem",
        dir_okay=False,
    ),
]
RedactOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="people|hits|others|TEXT",
        help="Cover on every frame: what may be a person or moves; what the query found; everything but that; or what "
        "TEXT says. Repeatable.",
    ),
]
Style = Literal["blur", "black"]  # repeated from operators.redaction, whose import would slow down `--help`
RedactStyleOption = Annotated[
    Style, typer.Option(help="Cover with blurred surroundings, or with black. Nothing under a cover is kept.")
]
RedactMarginOption = Annotated[
    float,
    typer.Option(min=0, max=5, help="How far a cover reaches beyond a region on every side, in sides of the region."),
]
MARGIN = 0.25


def key_path(given: Path | None) -> Path:
    from deploy.evidence.keys import default_key_path

    return default_key_path(os.environ) if given is None else given


def found_key(given: Path | None) -> "SigningKey":
    """The key of the installation, or the one that was named; says on standard error where one was made."""
    from deploy.evidence.keys import signing_key

    path = key_path(given)
    found, made = signing_key(path)
    if made:
        typer.echo(f"made the key {path}; keep a copy of it where only you can read it", err=True)
    return found


def redaction_of(redact: list[str] | None, *, style: Style, margin: float) -> "RedactionConfig | None":
    """What was asked to be covered; None for nothing."""
    if not redact:
        return None
    from operators.redaction.config import CarryConfig
    from pipeline.redaction.config import RedactionConfig

    return RedactionConfig(tuple(redact), style=style, carry=CarryConfig(margin_sides=margin))
