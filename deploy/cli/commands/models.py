"""`regionlake models`: what can be named with --model."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.options import JsonOption
from deploy.cli.output import console, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from operators.encoders.known_checkpoints import KnownCheckpoint


def models(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Describe these: names, folders, files, hub ids or package.module:Class.", show_default=False
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the models that can be named with --model.

    With NAMES: what is known about each, and what its makers say about it.
    """
    from rich.table import Table

    from operators.encoders.catalogue import checkpoint_kinds, known_checkpoints, model_card, model_cards, model_text

    cards = tuple(model_card(name, class_paths=True) for name in names) if names else model_cards()
    known = () if names else known_checkpoints()
    if as_json:
        listed = {"checkpoints": [asdict(each) | {"memory_gb": round(each.memory_gb, 2)} for each in known]}
        print_json({"models": [asdict(card) for card in cards], **({} if names else listed)})
        return
    table = Table("model", "revision", "dimension", "licence", "abilities", "what it is", box=None, pad_edge=False)
    for card in cards:
        abilities = ", ".join(card.abilities)
        table.add_row(card.name, card.space.revision, str(card.space.dimension), card.licence, abilities, card.summary)
    out = console()
    out.print(table)
    for name in names or ():
        if text := model_text(name, class_paths=True):
            out.print(f"\n{text}", soft_wrap=True)
    if not names:
        out.print(
            "\ncheckpoints that are not included: they are fetched from the hub by these names, or read from a folder\n"
        )
        out.print(_known_table(known))
        out.print(f"\nand any other checkpoint, by hub id or folder, of: {', '.join(checkpoint_kinds())}")


def _known_table(known: "Sequence[KnownCheckpoint]") -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("checkpoint", no_wrap=True)
    table.add_column("what it is")
    for column in ("dimension", "input", "patch", "parameters", "memory"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("licence")
    table.add_column("abilities")
    for each in known:
        table.add_row(
            each.name,
            each.summary,
            str(each.dimension),
            f"{each.input_px} px",
            f"{each.patch_px} px",
            f"{each.parameters_m:,.0f} M",
            f"{each.memory_gb:.1f} GB",
            each.licence,
            ", ".join(each.abilities),
        )
    return table
