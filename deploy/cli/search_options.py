"""What `regionlake search` takes beside the query: whose vectors it asks, and what becomes of hits."""

from pathlib import Path
from typing import Annotated

import typer

TemplateOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEMPLATE",
        help="Put TEXT into this sentence in place of {}; several are averaged. By default the model's own way.",
        show_default=False,
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(help="Whose vectors are searched, where the lake has several; its own unless named."),
]
SheetOption = Annotated[
    Path | None, typer.Option(metavar="FILE.png", help="Draw the hits with their boxes into this picture.")
]
ClipsOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Cut a clip around each hit into this folder.", file_okay=False)
]
