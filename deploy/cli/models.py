"""`regionlake models`: what can be named with --model."""

from dataclasses import asdict

from deploy.cli.options import JsonOption
from deploy.cli.output import console, print_json


def models(as_json: JsonOption = False) -> None:
    """List the models that can be named with --model."""
    from rich.table import Table

    from operators.encoders.catalogue import model_cards

    cards = model_cards()
    if as_json:
        print_json({"models": [asdict(card) for card in cards]})
        return
    table = Table("model", "revision", "dimension", "licence", "what it is", box=None, pad_edge=False)
    for card in cards:
        table.add_row(card.name, card.space.revision, str(card.space.dimension), card.licence, card.summary)
    console().print(table)
