"""`regionlake export csv` and `parquet`: one row for each region."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from deploy.cli.commands.export.regions import DiverseOption, LabelOption, chosen_frames
from deploy.cli.options import LakeOption
from deploy.cli.query_options import QueryFields, takes_query
from deploy.cli.search_options import ModelOption
from deploy.cli.without_pandas import import_arrow_without_pandas

TABLES: dict[Literal["csv", "parquet"], str] = {
    "csv": "A CSV file with a row for each region.",
    "parquet": "A Parquet file with a row for each region.",
}


def table_command(written_as: Literal["csv", "parquet"]) -> Callable[..., None]:
    """The command that writes a table of this format."""

    @takes_query()
    def export(
        query_fields: QueryFields,
        lake: LakeOption,
        out: Annotated[Path, typer.Option(metavar="FILE", help="The file to write.", dir_okay=False)],
        label: LabelOption = None,
        diverse: DiverseOption = None,
        model: ModelOption = None,
    ) -> None:
        import_arrow_without_pandas()
        from deploy.tables.answer_table import write_table
        from pipeline.analysis.lake_rows import LakeRows
        from pipeline.export.rows import region_rows
        from pipeline.lake.lake import Lake

        rows = LakeRows(Lake.open(lake))
        frames = chosen_frames(query_fields, rows, model=model, label=label, diverse=diverse)
        write_table(region_rows(frames), out, written_as=written_as)
        typer.echo(out)

    return export
