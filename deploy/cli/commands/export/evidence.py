"""`regionlake export evidence`: the answer to a query as a signed zip."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.answer_query import answer
from deploy.cli.evidence_options import (
    MARGIN,
    RedactMarginOption,
    RedactOption,
    RedactStyleOption,
    SigningKeyOption,
    found_key,
    redaction_of,
)
from deploy.cli.options import FetchOption, JsonOption, LakeOption
from deploy.cli.output import EXIT_FAILED, print_json
from deploy.cli.query_options import QueryFields, takes_query
from deploy.cli.search_options import DimensionsOption, ModelOption, ResidentOption, TemplateOption
from deploy.wording import counted
from schemas.query import Query

if TYPE_CHECKING:
    from deploy.evidence.export import Written
    from deploy.evidence.keys import PublicKey


@takes_query()
def evidence(
    query_fields: QueryFields,
    lake: LakeOption,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.zip", help="The zip to write.", dir_okay=False)],
    template: TemplateOption = None,
    model: ModelOption = None,
    dimensions: DimensionsOption = None,
    resident: ResidentOption = None,
    fetch: FetchOption = None,
    redact: RedactOption = None,
    redact_style: RedactStyleOption = "blur",
    redact_margin: RedactMarginOption = MARGIN,
    signing_key: SigningKeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write what a query finds as evidence: a zip of clips, stills and rows, signed with this installation's key.

    Exit codes: 0 done, 1 a clip or a still is missing (each is named, and so it is in the zip), 2 wrong usage.
    """
    if out.suffix.lower() != ".zip":
        raise typer.BadParameter(f"{out} must end in .zip", param_hint="--out")
    query = Query(**query_fields)
    redaction = redaction_of(redact, style=redact_style, margin=redact_margin)
    from deploy.evidence.export import export_evidence
    from pipeline.lake.lake import Lake
    from pipeline.redaction.covers import Redactor
    from pipeline.runtime.time_source import REAL_TIME
    from pipeline.search.session import SearchSession

    opened = Lake.open(lake)
    key = found_key(signing_key)
    session = SearchSession(opened, model=model, dimensions=dimensions, templates=template or None, resident=resident)
    try:
        result = answer(session, query, lake=opened, model=model)
        written = export_evidence(
            result,
            lake=opened,
            path=out,
            key=key,
            at=REAL_TIME.utc(),
            fetch=fetch or (),
            redactor=None if redaction is None else Redactor(opened, redaction, session.encoder),
            on_file=lambda name: typer.echo(f"added: {name}", err=True),
        )
    finally:
        session.close()
    _show(written, hits=len(result.hits), key=key.public, as_json=as_json)
    if written.missing:
        raise typer.Exit(EXIT_FAILED)


def _show(written: "Written", *, hits: int, key: "PublicKey", as_json: bool) -> None:
    for reason in written.missing:
        typer.echo(f"missing: {reason}", err=True)
    if as_json:
        print_json(
            {
                "file": str(written.path),
                "hits": hits,
                "files": written.files,
                "clips": written.clips,
                "bytes": written.size_bytes,
                "missing": written.missing,
                "public_key": key.base64,
                "fingerprint_sha256": key.fingerprint,
            }
        )
        return
    what = f"{counted(hits, 'hit')}, {counted(written.clips, 'clip')}, {counted(written.files, 'file')}"
    typer.echo(f"{written.path}: {what}, {written.size_bytes:,} bytes")
    typer.echo(f"signed by {key.fingerprint}")
    typer.echo(f"verify it with: regionlake export verify {written.path} --key {key.fingerprint}")
