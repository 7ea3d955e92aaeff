"""Options of `regionlake search` besides those of the query: the model, and what is made of the hits."""

from pathlib import Path
from typing import Annotated

import typer

TemplateOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEMPLATE",
        help="Put TEXT into this sentence at {}; several are averaged. By default the sentences of the model.",
        show_default=False,
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(help="The model whose vectors are searched; by default the one that the lake was made with."),
]
SheetOption = Annotated[
    Path | None, typer.Option(metavar="FILE.png", help="Draw the hits with their boxes into one picture.")
]
ClipsOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Write a clip around each hit into this folder.", file_okay=False)
]
