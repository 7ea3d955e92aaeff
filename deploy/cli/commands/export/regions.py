"""What the commands that export regions share: their options, and the choice of regions."""

from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.query_options import QueryFields
from deploy.wording import counted
from schemas.options import options_of
from schemas.query import Query

if TYPE_CHECKING:
    from pipeline.analysis.lake_rows import LakeRows
    from pipeline.export.dataset import ExportedFrame

LabelOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Name every region so; by default its own label, else the words of the query, or the likeliest class.",
        show_default=False,
    ),
]
DiverseOption = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Only the N regions that differ most, without near duplicates.", show_default=False
    ),
]
HELP = """
    Without a query, all regions that have a label, or that are likely of a class, are exported: of the sources that
    --source chooses, between --since and --until.
"""
_FILTERS = frozenset({"source", "source_ids", "since", "until", "min_confidence"})


def chosen_frames(
    query_fields: QueryFields, rows: "LakeRows", *, model: str | None, label: str | None, diverse: int | None
) -> "list[ExportedFrame]":
    """The frames of the query's hits; of everything that the filters choose, where it asks for nothing."""
    from pipeline.export.selection import most_different, of_everything, of_hits

    if asks_for_nothing(query_fields):
        frames = of_everything(rows, _everything(query_fields), label=label)
    else:
        from pipeline.search.session import SearchSession

        session = SearchSession(rows.lake, model=model)
        try:
            frames = of_hits(rows, session.search(Query(**query_fields)), label=label)
        finally:
            session.close()
    found = sum(len(each.annotations) for each in frames)
    if diverse is not None:
        frames = most_different(rows, frames, count=diverse)
    kept = sum(len(each.annotations) for each in frames)
    omitted = f" of {found:,}" if kept < found else ""
    typer.echo(f"{counted(kept, 'region')}{omitted} in {counted(len(frames), 'keyframe')}", err=True)
    return frames


def asks_for_nothing(query_fields: QueryFields) -> bool:
    """Whether no option but filters was given, so that there is nothing to search for."""
    defaults = {each.field: each.default for each in options_of(Query)}
    return all(name in _FILTERS or value == defaults[name] for name, value in query_fields.items())


def _everything(query_fields: QueryFields) -> "Everything":
    from pipeline.export.selection import LEAST_CONFIDENCE, Everything

    least = query_fields.get("min_confidence")
    return Everything(
        source=query_fields.get("source"),
        source_ids=query_fields.get("source_ids", ()),
        since=query_fields.get("since"),
        until=query_fields.get("until"),
        least_confidence=LEAST_CONFIDENCE if least is None else least,
    )


if TYPE_CHECKING:
    from pipeline.export.selection import Everything
