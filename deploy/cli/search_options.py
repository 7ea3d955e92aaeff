"""Options of `regionlake search` besides those of the query: the model, and what is made of the hits."""

from pathlib import Path
from typing import Annotated, Literal

import typer

TemplateOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEMPLATE",
        help="Put TEXT into this sentence at {}; several are averaged. By default the sentences of the model.",
        show_default=False,
    ),
]
Resident = Literal["float16", "int8", "disk"]  # repeated from pipeline.search, whose import would slow down `--help`
DimensionsOption = Annotated[
    int | None,
    typer.Option(
        min=1, help="The length of the vectors to search, where the lake has a model's vectors in several lengths."
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(help="The model whose vectors are searched; by default the one that the lake was made with."),
]
ResidentOption = Annotated[
    Resident | None,
    typer.Option(
        help="How columns are held: in memory, with vectors as stored or rounded to half of that (the nearest are read "
        "again), or on disk, in the lake's folder, for lakes beyond memory and commands that start at once.",
        show_default="disk where such files are, or for a lake beyond half of the free memory; else float16",
    ),
]
EngineOption = Annotated[
    Literal["local", "ray"],
    typer.Option(
        help="Search in one process, or share the lake out on Ray (this machine, or the cluster of RAY_ADDRESS)."
    ),
]
ShardsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="With --engine ray: the number of parts, each held by an actor; by default one for each machine.",
        show_default=False,
    ),
]
SearchedLakeOption = Annotated[
    str | None,
    typer.Option("--lake", metavar="DIR|s3://…", help="The folder or bucket of the lake.", show_default=False),
]
ServerOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Ask `regionlake serve` at this address instead of a lake; without --lake also REGIONLAKE_SERVER.",
        show_default=False,
    ),
]
SheetOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Draw the hits with their boxes into a picture (.png, .jpg, .webp) or a report (.html)."
    ),
]
ClipsOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Write a clip around each hit into this folder.", file_okay=False)
]


def shards_of(engine: Literal["local", "ray"], shards: int | None) -> int | None:
    """Number of parts into which a lake is shared out, see SearchSession. Raises BadParameter for shards of nothing."""
    if engine == "local" and shards is not None:
        raise typer.BadParameter("needs --engine ray", param_hint="--shards")
    return None if engine == "local" else shards or 0
