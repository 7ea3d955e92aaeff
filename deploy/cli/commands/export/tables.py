"""`regionlake export csv` and `parquet`: one row for each region."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from deploy.cli.commands.export.regions import DiverseOption, LabelOption, chosen_frames
from deploy.cli.options import LakeOption
from deploy.cli.query_options import QueryFields, takes_query
from deploy.cli.search_options import ModelOption
from deploy.cli.without_pandas import import_arrow_without_pandas

FileOption = Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write.", dir_okay=False)]


@takes_query()
def csv(
    query_fields: QueryFields,
    lake: LakeOption,
    out: FileOption,
    label: LabelOption = None,
    diverse: DiverseOption = None,
    model: ModelOption = None,
) -> None:
    """A CSV file with a row for each region.

    Without a query, all regions that have a label, or that are likely of a class, are exported: of the sources that
    --source chooses, between --since and --until.
    """
    _write(query_fields, lake, out, label, diverse, model, "csv")


@takes_query()
def parquet(
    query_fields: QueryFields,
    lake: LakeOption,
    out: FileOption,
    label: LabelOption = None,
    diverse: DiverseOption = None,
    model: ModelOption = None,
) -> None:
    """A Parquet file with a row for each region.

    Without a query, all regions that have a label, or that are likely of a class, are exported: of the sources that
    --source chooses, between --since and --until.
    """
    _write(query_fields, lake, out, label, diverse, model, "parquet")


def _write(
    query_fields: QueryFields,
    lake: str,
    out: Path,
    label: str | None,
    diverse: int | None,
    model: str | None,
    written_as: Literal["csv", "parquet"],
) -> None:
    import_arrow_without_pandas()
    from deploy.answer_table import write_table
    from pipeline.analysis.lake_rows import LakeRows
    from pipeline.export.rows import region_rows
    from pipeline.lake.lake import Lake

    rows = LakeRows(Lake.open(lake))
    frames = chosen_frames(query_fields, rows, model=model, label=label, diverse=diverse)
    write_table(region_rows(frames), out, written_as=written_as)
    typer.echo(out)
