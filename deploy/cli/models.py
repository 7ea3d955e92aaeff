"""`regionlake models`: what can be named with --model."""

from dataclasses import asdict
from typing import Annotated

import typer

from deploy.cli.options import JsonOption
from deploy.cli.output import console, print_json


def models(
    names: Annotated[
        list[str] | None, typer.Argument(help="Describe these: everyday, folders or hub ids.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the models that can be named with --model.

    With NAMES: what is known of each, and what its makers say of it.
    """
    from rich.table import Table

    from operators.encoders.catalogue import checkpoint_kinds, model_card, model_cards, model_text

    cards = tuple(model_card(name) for name in names) if names else model_cards()
    if as_json:
        print_json({"models": [asdict(card) for card in cards]})
        return
    table = Table("model", "revision", "dimension", "licence", "abilities", "what it is", box=None, pad_edge=False)
    for card in cards:
        abilities = ", ".join(card.abilities)
        table.add_row(card.name, card.space.revision, str(card.space.dimension), card.licence, abilities, card.summary)
    out = console()
    out.print(table)
    for name in names or ():
        if text := model_text(name):
            out.print(f"\n{text}", soft_wrap=True)
    if not names:
        out.print(f"and checkpoints by folder or hub id (owner/model): {', '.join(checkpoint_kinds())}")
