"""`regionlake search`: answers a query with a table, JSON, a contact sheet or clips."""

import math
import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.answer_query import answer
from deploy.cli.command_line import given_parameters
from deploy.cli.evidence_options import (
    MARGIN,
    RedactMarginOption,
    RedactOption,
    RedactStyleOption,
    redaction_of,
)
from deploy.cli.options import FetchOption, JsonOption
from deploy.cli.output import console, print_json
from deploy.cli.query_options import QueryFields, takes_query
from deploy.cli.search_options import (
    ClipsOption,
    DimensionsOption,
    EngineOption,
    ModelOption,
    Resident,
    ResidentOption,
    SearchedLakeOption,
    ServerOption,
    ShardsOption,
    SheetOption,
    TemplateOption,
    shards_of,
)
from deploy.cli.without_pandas import import_arrow_without_pandas
from deploy.wording import (
    clock_time,
    counted,
    explanation_lines,
    is_picture,
    parts_from_lake,
    short_names,
    sources_without_zone,
)
from schemas.query import Query, SearchResult
from schemas.query_json import result_json
from schemas.visible_text import visible

if TYPE_CHECKING:
    from deploy.pictures.contact_sheet import Stored
    from pipeline.lake.lake import Lake

# what is shown where a hit has it, and how many characters: enough of a track's id to see which hits are one track
_SHOWN = {"label": 32, "human_label": 32, "verdict": 5, "track": 8}
_OF_SERVER = (
    "template",
    "model",
    "dimensions",
    "resident",
    "engine",
    "shards",
    "exact",
    "fetch",
    "redact",
)  # what a service has chosen
SHEET_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".html")


@takes_query()
def search(
    context: typer.Context,
    query_fields: QueryFields,
    lake: SearchedLakeOption = None,
    server: ServerOption = None,
    template: TemplateOption = None,
    model: ModelOption = None,
    dimensions: DimensionsOption = None,
    resident: ResidentOption = None,
    engine: EngineOption = "local",
    shards: ShardsOption = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Compare every region, however long it takes, in lakes that are tuned too.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say how the query was answered: what was read, and how long it took.")
    ] = False,
    as_json: JsonOption = False,
    sheet: SheetOption = None,
    clips: ClipsOption = None,
    fetch: FetchOption = None,
    redact: RedactOption = None,
    redact_style: RedactStyleOption = "blur",
    redact_margin: RedactMarginOption = MARGIN,
) -> None:
    """Find frames by what they show (TEXT, --image) and where (--box)."""
    if sheet and sheet.suffix.lower() not in SHEET_SUFFIXES:
        raise typer.BadParameter(f"{sheet} must end in one of {' '.join(SHEET_SUFFIXES)}", param_hint="--sheet")
    if fetch and not clips:
        raise typer.BadParameter("needs --clips", param_hint="--fetch")
    if redact and (sheet or not clips):
        raise typer.BadParameter("covers --clips, and no sheet; use regionlake export evidence", param_hint="--redact")
    redaction = redaction_of(redact, style=redact_style, margin=redact_margin)
    parts = shards_of(engine, shards)
    query = Query(**query_fields)
    if lake is None and server is None:
        server = os.environ.get("REGIONLAKE_SERVER") or None
    if (lake is None) == (server is None):
        raise typer.BadParameter(
            "give the lake, or --server URL" if lake is None else "give --lake or --server, not both",
            param_hint="--lake",
        )
    if server is not None:
        _refuse_of_server(context)
        _search_by_server(query, server, as_json=as_json, explain=explain, sheet=sheet, clips=clips)
        return
    assert lake is not None
    import_arrow_without_pandas()
    from pipeline.lake.lake import Lake

    opened = Lake.open(lake)
    result = _answer(
        query,
        lake=opened,
        model=model,
        dimensions=dimensions,
        templates=template or None,
        resident=resident,
        exact=exact,
        shards=parts,
    )
    _show(result, as_json=as_json, explain=explain)
    if sheet:
        _draw(result, opened, sheet)
    if clips:
        from deploy.pictures.clips import export_clips

        redactor = None
        if redaction is not None:
            from pipeline.lake.lake_encoder import load_lake_encoder
            from pipeline.redaction.covers import Redactor

            redactor = Redactor(opened, redaction, partial(load_lake_encoder, opened, model=model))
        missing = partial(typer.echo, err=True)
        made = export_clips(result, lake=opened, folder=clips, fetch=fetch or (), on_missing=missing, redactor=redactor)
        _report_clips(made)


def _search_by_server(
    query: Query, url: str, *, as_json: bool, explain: bool, sheet: Path | None, clips: Path | None
) -> None:
    from deploy.client import calls
    from deploy.client.connection import Connection

    with Connection(url, token=os.environ.get("REGIONLAKE_TOKEN") or None) as connection:
        result = connection(calls.search(query))
        _show(result, as_json=as_json, explain=explain)
        if sheet:
            from deploy.client.pictures import stored_pictures

            _draw(result, lambda shown: stored_pictures(shown, connection), sheet)
        if clips:
            from deploy.client.pictures import save_clips

            _report_clips(save_clips(result, connection, clips))


def _refuse_of_server(context: typer.Context) -> None:
    for parameter in given_parameters(context):
        if parameter.name in _OF_SERVER:
            raise typer.BadParameter("is chosen where the service is started", param_hint=parameter.opts[0])


def _show(result: SearchResult, *, as_json: bool, explain: bool) -> None:
    if as_json:
        print_json(result_json(result, explain=explain))
        return
    _print_table(result)
    if explain:
        for line in explanation_lines(result):
            console().print(visible(line), soft_wrap=True)


def _draw(result: SearchResult, lake: "Lake | Stored", sheet: Path) -> None:
    from deploy.pictures.contact_sheet import write_contact_sheet

    write_contact_sheet(result, lake=lake, path=sheet)
    typer.echo(f"{'report' if sheet.suffix.lower() == '.html' else 'contact sheet'}: {sheet}", err=True)


def _report_clips(clips: Iterable[Path]) -> None:
    for path in clips:
        typer.echo(f"clip: {path}", err=True)


def _answer(
    query: Query,
    *,
    lake: "Lake",
    model: str | None,
    dimensions: int | None,
    templates: list[str] | None,
    resident: Resident | None,
    exact: bool,
    shards: int | None,
) -> SearchResult:
    from pipeline.search.index.indexed_regions import EXACT_WITHIN_MS
    from pipeline.search.session import SearchSession

    session = SearchSession(
        lake,
        model=model,
        dimensions=dimensions,
        templates=templates,
        resident=resident,
        exact_within_ms=math.inf if exact else EXACT_WITHIN_MS,
        shards=shards,
    )
    try:
        return answer(session, query, lake=lake, model=model)
    finally:
        session.close()


def _print_table(result: SearchResult) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    with_time = any(hit.time for hit in result.hits)
    clock = ("time (UTC)",) if with_time else ()
    following = ("then at",) if result.query.then else ()
    known = [name for name in _SHOWN if any(getattr(hit.place, name) for hit in result.hits)]
    certain = ("confidence",) if any(hit.confidence is not None for hit in result.hits) else ()
    columns = (
        "rank",
        *certain,
        "distance",
        "semantic",
        "geometric",
        "source",
        "at",
        *following,
        *clock,
        "shot",
        "box",
        "proposer",
        *known,
    )
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column not in ("source", "shot"))
    names = short_names([hit.source for hit in result.hits])
    for hit in result.hits:
        table.add_row(
            str(hit.rank),
            *([f"{hit.confidence:.2f}" if hit.confidence is not None else "–"] if certain else []),
            *("–" if d is None else f"{d:.3f}" for d in (hit.distance, hit.place.semantic, hit.place.geometric)),
            names[hit.source],
            "–" if is_picture(hit.source) else clock_time(hit.pts_s),
            *([clock_time(hit.then.pts_s)] if hit.then else []),
            *([f"{hit.time:%Y-%m-%d %H:%M:%S}" if hit.time else "–"] if with_time else []),
            "–"
            if hit.shot_s is None or is_picture(hit.source)
            else f"{clock_time(hit.shot_s[0])} to {clock_time(hit.shot_s[1])}",
            " ".join(f"{side:.2f}" for side in hit.place.box),
            visible(hit.place.proposer),
            *(visible(getattr(hit.place, name) or "–")[: _SHOWN[name]] for name in known),
        )
    out = console()
    if result.hits:
        out.print(table)
    if result.recall_target is not None:
        exactness = f"almost exact, by the index: on average {result.recall_target:.0%} of the exact hits"
    else:
        exactness = "exact" if result.exact else "approximate: not every candidate was compared exactly"
    found = f"{counted(len(result.hits), 'hit')} of {result.candidates:,} regions and frames"
    out.print(f"{found} in {result.took_ms:.0f} ms ({exactness})")
    if result.from_lake:
        out.print(parts_from_lake(result))
    if others := sources_without_zone(result):
        out.print(others)
