"""`regionlake search`: answers a query with a table, JSON, a contact sheet or clips."""

from typing import TYPE_CHECKING

import typer

from deploy.cli.options import FetchOption, JsonOption, LakeOption
from deploy.cli.output import console, print_json
from deploy.cli.query_options import QueryFields, takes_query
from deploy.cli.search_options import ClipsOption, ModelOption, SheetOption, TemplateOption
from deploy.cli.without_pandas import import_arrow_without_pandas
from deploy.wording import clock_time, is_picture, short_names
from schemas.query import Query, SearchResult
from schemas.query_json import result_json
from schemas.visible_text import visible

if TYPE_CHECKING:
    from pipeline.lake.lake import Lake

_SHOWN = {"label": 32, "track": 8}  # characters: enough of an id to see which hits are one track
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


@takes_query()
def search(
    lake: LakeOption,
    query_fields: QueryFields,
    template: TemplateOption = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
    sheet: SheetOption = None,
    clips: ClipsOption = None,
    fetch: FetchOption = None,
) -> None:
    """Find frames by what they show (TEXT, --image) and where (--box)."""
    if sheet and sheet.suffix.lower() not in PICTURE_SUFFIXES:
        raise typer.BadParameter(f"{sheet} must end in one of {' '.join(PICTURE_SUFFIXES)}", param_hint="--sheet")
    if fetch and not clips:
        raise typer.BadParameter("needs --clips", param_hint="--fetch")
    query = Query(**query_fields)
    import_arrow_without_pandas()
    from pipeline.lake.lake import Lake

    opened = Lake.open(lake)
    result = _answer(query, lake=opened, model=model, templates=template or None)
    if as_json:
        print_json(result_json(result))
    else:
        _print_table(result)
    if sheet:
        from deploy.contact_sheet import write_contact_sheet

        write_contact_sheet(result, lake=opened, path=sheet)
        typer.echo(f"contact sheet: {sheet}", err=True)
    if clips:
        from deploy.clips import export_clips

        for path in export_clips(result, lake=opened, folder=clips, fetch=fetch or ()):
            typer.echo(f"clip: {path}", err=True)


def _answer(query: Query, *, lake: "Lake", model: str | None, templates: list[str] | None) -> SearchResult:
    from pipeline.search.session import SearchSession

    session = SearchSession(lake, model=model, templates=templates)
    try:
        result = session.search(query)
        if session.without_vector:
            name = model or lake.space.model
            typer.echo(
                f"not searched: {session.without_vector:,} keyframes without a vector of {name}; "
                f"run: regionlake ingest --reembed --model {name} --lake {lake.uri}",
                err=True,
            )
        return result
    finally:
        session.close()


def _print_table(result: SearchResult) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    with_time = any(hit.time for hit in result.hits)
    clock = ("time (UTC)",) if with_time else ()
    following = ("then at",) if result.query.then else ()
    known = [name for name in ("label", "track") if any(getattr(hit.place, name) for hit in result.hits)]
    columns = (
        "rank",
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
    exactness = "exact" if result.exact else "approximate: not every candidate was compared exactly"
    found = f"{len(result.hits)} hits of {result.candidates:,} regions and frames"
    out.print(f"{found} in {result.took_ms:.0f} ms ({exactness})")
