"""The options of `regionlake search`, some of which `regionlake watch` takes too: what is sought, where and when, how
it is ranked, and what becomes of hits."""

from pathlib import Path
from typing import Annotated, get_args

import typer

from schemas.query import Fusion, Geometry, MethodName, Normalisation

TextArgument = Annotated[str | None, typer.Argument(help="What to look for, in words.", show_default=False)]
BoxOption = Annotated[
    str | None,
    typer.Option(metavar="X0,Y0,X1,Y1", help="Where in the frame, as fractions of it; hits overlap this box."),
]
TemplateOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEMPLATE",
        help="Put TEXT into this sentence in place of {}; several are averaged. By default the model's own way.",
        show_default=False,
    ),
]
ImageOption = Annotated[
    Path | None,
    typer.Option(help="Look for what this picture shows, alone or beside a text.", exists=True, dir_okay=False),
]
RoiOption = Annotated[str | None, typer.Option(metavar="X0,Y0,X1,Y1", help="The part of --image that is sought.")]
FrameOption = Annotated[
    str | None,
    typer.Option(metavar="ID", help="Look for what this keyframe of the lake shows: frame_id of a hit in --json."),
]
PointOption = Annotated[
    list[str] | None,
    typer.Option(metavar="X,Y", help="A point in the region of --image that is sought.", show_default=False),
]
NotPointOption = Annotated[
    list[str] | None, typer.Option(metavar="X,Y", help="A point outside that region.", show_default=False)
]
PromptOption = Annotated[str | None, typer.Option(metavar="TEXT", help="What that region of --image shows, in words.")]
PromptBoxOption = Annotated[str | None, typer.Option(metavar="X0,Y0,X1,Y1", help="A box around that region.")]
TextWeightOption = Annotated[float, typer.Option(min=0, max=1, help="Share of TEXT beside a picture.")]
NotTextOption = Annotated[
    list[str] | None,
    typer.Option("--not", metavar="TEXT", help="What hits should not show, in words.", show_default=False),
]
NotWeightOption = Annotated[float, typer.Option(min=0, max=1, help="How much likeness to that is taken off.")]
NotFrameOption = Annotated[
    list[str] | None,
    typer.Option(metavar="ID", help="A keyframe to leave out, such as that of --frame.", show_default=False),
]
NotRoiOption = Annotated[
    list[str] | None,
    typer.Option(metavar="X0,Y0,X1,Y1", help="A part of --image that hits should not show.", show_default=False),
]
ThenOption = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="What must follow in the same source, in words.", show_default=False),
]
ThenBoxOption = Annotated[str | None, typer.Option(metavar="X0,Y0,X1,Y1", help="Where that must be.")]
WithinOption = Annotated[float, typer.Option(metavar="SECONDS", help="How soon --then must follow.")]
RankOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="WAY[:WEIGHT]",
        help=f"How frames are ranked, once or several times: {', '.join(get_args(MethodName))}.",
        show_default="regions",
    ),
]
FuseOption = Annotated[Fusion, typer.Option(help="How several --rank become one.")]
CandidatesOption = Annotated[
    int, typer.Option(min=1, help="How many frames the ways look at that re-rank the nearest of the others.")
]
GeometryOption = Annotated[Geometry, typer.Option(help="How a hit's box is compared with --box.")]
NormOption = Annotated[Normalisation, typer.Option(help="How both distances are made comparable.")]
WeightOption = Annotated[
    float, typer.Option(min=0, max=1, help="Share of meaning in the distance; the rest is geometry.")
]
SourceOption = Annotated[
    str | None, typer.Option(help="Only files and feeds whose path, URL or name holds this, or matches it as a glob.")
]
SinceOption = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="UTC as 2026-05-01T12:00:00Z, or within the source as 90 or 1:30."),
]
UntilOption = Annotated[str | None, typer.Option(metavar="TIME", help="As --since; not included itself.")]
CountOption = Annotated[int, typer.Option("-k", min=1, help="How many hits.")]
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
