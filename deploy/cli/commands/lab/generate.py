"""`regionlake lab generate` makes annotated pictures from objects in local COCO folders, or from rendered shapes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.output import console
from deploy.cli.progress import shown_count

if TYPE_CHECKING:
    from pipeline.lab.scenes.scene import Ingredients


def generate(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write to.", file_okay=False)],
    objects: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER",
            help="A COCO folder with masks, or a folder of such folders, from which objects are cut out; repeatable.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    shapes: Annotated[
        bool, typer.Option("--shapes", help="Render shapes instead; needs the extra regionlake[shapes].")
    ] = False,
    train: Annotated[int, typer.Option(min=1, help="Number of pictures for training.")] = 600,
    test: Annotated[
        int, typer.Option(min=1, help="Number of pictures for each test: mixed sizes, small objects, large objects.")
    ] = 200,
    size: Annotated[str, typer.Option(metavar="WIDTHxHEIGHT", help="Size of the pictures, in pixels.")] = "512x512",
    most_objects: Annotated[int, typer.Option(min=1, help="Maximum number of objects per picture.")] = 50,
    small: Annotated[
        tuple[float, float],
        typer.Option(help="Range of the longer side of small objects, as shares of a picture's shorter side."),
    ] = (0.08, 0.16),
    large: Annotated[tuple[float, float], typer.Option(help="The same range for large objects.")] = (0.35, 0.6),
    test_share: Annotated[
        float, typer.Option(help="Share of FOLDER's pictures, or of the shapes' classes, that is used for test.")
    ] = 0.4,
    seed: Annotated[int, typer.Option(min=0, help="Seed; other seeds give other pictures.")] = 0,
) -> None:
    """Make annotated pictures of real objects, or of rendered shapes.

    They are written with boxes and masks as COCO folders:

    DIR/train, DIR/test, DIR/test-small and DIR/test-large. Training and test share no object and no background.

    With --shapes, pictures show three-dimensional shapes on a floor ("red metal cube"); training and test share no
    class.
    """
    from pipeline.lab.scenes.folder import GenerateConfig
    from pipeline.lab.scenes.folder import generate as write
    from pipeline.lab.scenes.layout import SceneConfig
    from schemas.errors import InvalidValueError

    width, _, height = size.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise InvalidValueError(f"--size must be WIDTHxHEIGHT, e.g. 640x480, got {size!r}")
    scene = SceneConfig(
        width_px=int(width),
        height_px=int(height),
        objects=(1, most_objects),
        classes=(1, most_objects) if shapes else SceneConfig().classes,  # there are enough classes of shapes
        small_side=small,
        large_side=large,
    )
    config = GenerateConfig(train=train, test=test, test_share=test_share, seed=seed, scene=scene)
    ingredients = _ingredients(objects or [], shapes=shapes)
    with shown_count("pictures") as on_progress:
        parts = write(out, ingredients, config, on_progress=on_progress)
    for part in parts:
        console().print(
            f"{part.folder}: {part.pictures} pictures with {part.objects:,} objects of {part.classes} classes"
        )


def _ingredients(objects: list[Path], *, shapes: bool) -> "Ingredients":
    """Raises InvalidValueError unless exactly one kind was given, ModelError if there is no renderer."""
    from schemas.errors import InvalidValueError

    if shapes == bool(objects):
        raise InvalidValueError("pictures are made of objects or of shapes: give --objects FOLDER or --shapes")
    if shapes:
        from pipeline.lab.scenes.shapes.compose import ShapeScenes

        return ShapeScenes()
    from pipeline.lab.scenes.cut_outs.compose import CutOutScenes
    from pipeline.lab.scenes.cut_outs.material import folders_with_masks, read_material

    folders = [folder for named in objects for folder in folders_with_masks(named)]
    return CutOutScenes(read_material(folders), tuple(folder.name for folder in folders))
