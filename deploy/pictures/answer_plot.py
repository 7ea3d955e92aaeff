"""Draws the answer to a query of SQL: values over time or over a number, bars of names, or a map of the frame."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deploy.pictures.plotting import plot_style
from schemas.errors import QueryError, RegionLakeError
from schemas.visible_text import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE_IN = (8.0, 4.5)
_DPI = 150
_MOST_SERIES = 12
_MOST_BARS = 40
_CELLS = ("cell_x", "cell_y")
_HOW = (
    "a plot needs a first column of numbers, times or names, then columns of numbers, and at most one of names between "
    "them, which are its series: SELECT at_s, label, objects FROM counts"
)


def write_plot(rows: pa.Table, path: Path) -> None:
    """Draws the rows into a PNG, SVG or PDF file.

    Rows with `cell_x` and `cell_y` are a map, of the sum of the last column of numbers. Otherwise the first column is
    the axis: names are bars, numbers and times are lines, a series for each name in a further column of texts, or for
    each column of numbers.
    Raises QueryError for an answer that cannot be drawn, RegionLakeError where the file cannot be written, or
    Matplotlib is not installed.
    """
    if not rows.num_rows:
        raise QueryError("the answer has no rows, so there is nothing to draw")
    if len(set(rows.schema.names)) < rows.num_columns:
        raise QueryError("two columns have the same name, so neither can be drawn: rename one with AS")
    with plot_style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=_SIZE_IN, dpi=_DPI, layout="constrained")
        axes = figure.add_subplot()
        if set(_CELLS) <= set(rows.schema.names):
            _map(figure, axes, rows)
        elif _is_text(rows.schema[0].type):
            _bars(axes, rows)
        else:
            _lines(axes, rows)
        axes.spines[["top", "right"]].set_visible(False)
        try:
            figure.savefig(path)
        except OSError as error:
            raise RegionLakeError(f"{path} cannot be written: {error}") from error


def _map(figure: "Figure", axes: "Axes", rows: pa.Table) -> None:
    """The frame as a grid; y grows downwards, as in pictures."""
    numbers = [name for name in _numbers(rows) if name not in _CELLS]
    if not numbers:
        raise QueryError(f"a map needs a column of numbers beside {' and '.join(_CELLS)}")
    x, y = (rows[name].to_numpy().astype(int) for name in _CELLS)
    sums = np.zeros((int(y.max()) + 1, int(x.max()) + 1))
    np.add.at(sums, (y, x), _floats(rows, numbers[-1]))
    drawn = axes.imshow(sums, cmap="viridis", aspect="auto")
    axes.set_xlabel("cell_x")
    axes.set_ylabel("cell_y")
    figure.colorbar(drawn, ax=axes, label=_text(numbers[-1]))


def _bars(axes: "Axes", rows: pa.Table) -> None:
    numbers = _numbers(rows)
    if not numbers:
        raise QueryError(_HOW)
    if rows.num_rows > _MOST_BARS:
        raise QueryError(f"{rows.num_rows:,} bars cannot be read, at most {_MOST_BARS}: add ORDER BY and LIMIT")
    names = [_text(each) for each in rows[0].to_pylist()]
    height = 0.8 / len(numbers)
    for at, name in enumerate(numbers):
        axes.barh(np.arange(len(names)) + at * height, _floats(rows, name), height, label=_text(name))
    axes.set_yticks(np.arange(len(names)) + 0.4 - height / 2, names)
    axes.invert_yaxis()  # the first row is at the top
    _name_series(axes, numbers)


def _lines(axes: "Axes", rows: pa.Table) -> None:
    first = rows.schema.names[0]
    numbers = [name for name in _numbers(rows) if name != first]
    texts = [each.name for each in rows.schema if _is_text(each.type)]
    at = np.array(rows[0].to_pylist(), object)
    known = np.array([each is not None for each in at])
    if not numbers or len(texts) > 1 or not known.any():
        raise QueryError(_HOW)
    series = [(name, known, name) for name in numbers]
    if texts:
        of_row = np.array([_text(each) for each in rows[texts[0]].to_pylist()], object)
        several = len(numbers) > 1
        series = [
            (f"{each} · {name}" if several else each, known & (of_row == each), name)
            for each in dict.fromkeys(of_row.tolist())
            for name in numbers
        ]
    if len(series) > _MOST_SERIES:
        raise QueryError(f"{len(series)} series cannot be distinguished, at most {_MOST_SERIES}: narrow it by WHERE")
    values = {name: _floats(rows, name) for name in numbers}
    for label, own, name in series:
        order = np.argsort(at[own], kind="stable")
        axes.plot(at[own][order], values[name][own][order], marker="o", markersize=3, label=_text(label))
    axes.set_xlabel(_text(first))
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.grid(axis="y", alpha=0.3)
    if isinstance(at[known][0], datetime):
        axes.figure.autofmt_xdate()
    _name_series(axes, [label for label, _, _ in series], unit=numbers[0] if len(numbers) == 1 else "")


def _name_series(axes: "Axes", names: Sequence[str], *, unit: str = "") -> None:
    if unit:
        axes.set_ylabel(_text(unit))
    if len(names) > 1:
        axes.legend(frameon=False)
    elif not unit:
        axes.set_xlabel(_text(names[0]))


def _numbers(rows: pa.Table) -> list[str]:
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    return [each.name for each in rows.schema if any(is_kind(each.type) for is_kind in kinds)]


def _floats(rows: pa.Table, name: str) -> NDArray[np.float64]:
    """float64 (N,); NaN where it is null."""
    values: NDArray[np.float64] = pc.cast(rows[name], pa.float64(), safe=False).to_numpy()
    return values


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _text(value: object) -> str:
    return "–" if value is None else visible(str(value))
