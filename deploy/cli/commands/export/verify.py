"""`regionlake export verify`: whether evidence is sound."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.evidence_options import key_path
from deploy.cli.options import JsonOption
from deploy.cli.output import EXIT_FAILED, print_json
from deploy.wording import counted

if TYPE_CHECKING:
    from deploy.evidence.keys import PublicKey
    from deploy.evidence.verify import Verdict

EXIT_OTHER_KEY = 3


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", help="The evidence.", show_default=False)],
    key: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.pem|NUMBER",
            help="The public key of who should have signed it, or its number: what `signed by` shows. "
            "By default the key in the zip, which proves only that all of it is of one hand.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether evidence is sound, was changed, or was signed by another; nothing is unpacked.

    Exit codes: 0 sound, 1 changed (what was is named), 2 wrong usage, 3 signed by another key than --key.
    """
    from deploy.evidence.verify import verify as verified
    from schemas.errors import EvidenceError

    expected = _expected(key)
    try:
        verdict = verified(file, expected=expected)
    except EvidenceError as error:  # 1 would say that it was changed
        raise typer.BadParameter(str(error), param_hint="FILE.zip") from None
    whose = _whose(verdict, key)
    if as_json:
        _print_json(verdict, whose)
    else:
        _print(file, verdict, whose)
    if verdict.state != "sound":
        raise typer.Exit(EXIT_OTHER_KEY if verdict.state == "signed by another" else EXIT_FAILED)


def _expected(key: str | None) -> "PublicKey | str | None":
    from deploy.evidence.keys import PublicKey, fingerprint_of
    from schemas.errors import EvidenceError

    if key is None:
        return None
    number = fingerprint_of(key)
    if number is not None and not Path(key).exists():
        return number
    try:
        content = Path(key).read_bytes()
    except OSError:
        raise typer.BadParameter(
            f"{key} is no file of a public key (PEM), and no number of 64 hexadecimal digits", param_hint="--key"
        ) from None
    try:
        return PublicKey.from_pem(content, name=key)
    except EvidenceError as error:
        raise typer.BadParameter(str(error), param_hint="--key") from None


def _whose(verdict: "Verdict", key: str | None) -> str:
    """What is known about whose signature it is."""
    from deploy.evidence.keys import known_public_key
    from schemas.errors import EvidenceError

    if verdict.signer is None or key is not None:
        return ""
    try:
        own = known_public_key(key_path(None))
    except EvidenceError:
        own = None
    if own == verdict.signer:
        return "this is the key of this installation"
    return "whether that is the key of who you think made it, only they can say: compare the number, and give --key"


def _print_json(verdict: "Verdict", whose: str) -> None:
    print_json(
        {
            "state": verdict.state,
            "signed_by": None if verdict.signer is None else verdict.signer.fingerprint,
            "about_the_key": whose or None,
            "made_at": None if verdict.made_at is None else verdict.made_at.isoformat(),
            "files": verdict.files,
            "changes": [{"name": change.name, "how": change.how} for change in verdict.changes],
        }
    )


def _print(file: Path, verdict: "Verdict", whose: str) -> None:
    made = "" if verdict.made_at is None else f", made {verdict.made_at:%Y-%m-%d %H:%M:%S} UTC"
    typer.echo(f"{file}: {verdict.state}" + (f"; {counted(verdict.files, 'file')}{made}" if verdict.signer else ""))
    for change in verdict.changes:
        typer.echo(f"  {change.name}: {change.how}")
    if verdict.signer is not None:
        typer.echo(f"signed by {verdict.signer.fingerprint}" + (f"; {whose}" if whose else ""))
