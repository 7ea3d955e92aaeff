"""Tables of figures, which have the same style in every command."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def figures(first: str, *columns: str) -> "Table":
    """An empty table with left-aligned names and right-aligned figures."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def share(value: float | None) -> str:
    """`0.512`; a dash for None."""
    return "–" if value is None else f"{value:.3f}"


def dash(value: object) -> str:
    """The value as text; a dash for None."""
    return "–" if value is None else str(value)
