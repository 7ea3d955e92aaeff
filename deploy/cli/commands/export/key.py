"""`regionlake export key`: the public key of this installation, for those who verify its evidence."""

import sys

import typer

from deploy.cli.evidence_options import SigningKeyOption, found_key


def key(signing_key: SigningKeyOption = None) -> None:
    """Print the public key that verifies this installation's evidence: give it to whoever receives some."""
    public = found_key(signing_key).public
    typer.echo(f"signed by {public.fingerprint}", err=True)
    sys.stdout.write(public.pem.decode())
