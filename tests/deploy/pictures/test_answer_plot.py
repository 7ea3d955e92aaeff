"""Plots of answers: catches series that are mixed, a map that is upside down, and an answer that cannot be drawn."""

from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from deploy.pictures.answer_plot import write_plot
from schemas.errors import QueryError


def texts(path: Path) -> list[str]:
    """The texts of an SVG, which are those that are shown."""
    return [each.text or "" for each in Xml.parse(path).getroot().iter("{http://www.w3.org/2000/svg}text")]


def test_a_series_for_each_name_is_in_the_legend_as_it_is_written(tmp_path: Path) -> None:
    names = ["car", "5 $ and $x_1$", "car", "5 $ and $x_1$"]
    write_plot(pa.table({"at_s": [0.0, 0.0, 1.0, 1.0], "label": names, "objects": [1, 2, 3, 4]}), tmp_path / "a.svg")
    shown = texts(tmp_path / "a.svg")
    assert {"car", "5 $ and $x_1$", "at_s", "objects"} <= set(shown)


def test_times_and_several_columns_are_drawn(tmp_path: Path) -> None:
    at = [datetime(2026, 5, 1, hour) for hour in (1, 2, 3)]
    write_plot(pa.table({"time": at, "objects": [1, None, 2], "most": [1.0, 2.0, 3.0]}), tmp_path / "a.svg")
    assert {"objects", "most", "time"} <= set(texts(tmp_path / "a.svg"))


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint64(), pa.float16(), pa.decimal128(38, 2)], ids=str)
def test_numbers_of_any_kind_are_drawn_alike(tmp_path: Path, kind: pa.DataType) -> None:
    columns = {"at_s": [0, 1, 2], "objects": [1, None, 2]}
    for name, of in (("a.png", kind), ("b.png", pa.float64())):
        write_plot(pa.table({key: pa.array(column).cast(of) for key, column in columns.items()}), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    rows = pa.table([["a", "b"], [1, 2], [3, 4]], names=["label", "n", "n"])
    with pytest.raises(QueryError, match="two columns have the same name, so neither can be drawn: rename one with AS"):
        write_plot(rows, tmp_path / "a.png")


def test_bars_are_in_the_order_of_the_rows(tmp_path: Path) -> None:
    write_plot(pa.table({"label": ["b", "a", None], "objects": [1, 2, 3]}), tmp_path / "a.svg")
    assert [each for each in texts(tmp_path / "a.svg") if each in ("a", "b", "–")] == ["b", "a", "–"]


def test_a_map_has_the_upper_left_of_the_frame_at_the_upper_left(tmp_path: Path) -> None:
    rows = pa.table({"label": ["a", "b", "a"], "cell_x": [0, 0, 1], "cell_y": [0, 0, 1], "seconds": [5.0, 5.0, 0.0]})
    write_plot(rows, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    yellow = np.abs(pixels - [253, 231, 37]).sum(axis=2) < 20  # the most of viridis
    columns = np.flatnonzero(yellow[:, : int(0.8 * yellow.shape[1])].sum(axis=0) > 100)  # without the colour bar
    rows_of = np.flatnonzero(yellow[:, : int(0.8 * yellow.shape[1])].sum(axis=1) > 100)
    assert columns.max() < 0.6 * yellow.shape[1]
    assert rows_of.max() < 0.6 * yellow.shape[0]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"at_s": [], "objects": []}, "no rows"),
        ({"at_s": [1.0], "label": ["a"]}, "a plot needs"),
        ({"label": ["a"], "other": ["b"]}, "a plot needs"),
        ({"at_s": [1.0], "label": ["a"], "feed": ["b"], "objects": [1]}, "a plot needs"),
        ({"at_s": [1.0] * 20, "label": [*"abcdefghijklmnopqrst"], "objects": [1] * 20}, "20 series"),
        ({"label": [str(i) for i in range(100)], "objects": [1] * 100}, "100 bars"),
        ({"cell_x": [1], "cell_y": [2]}, "a map needs"),
    ],
)
def test_an_answer_that_cannot_be_drawn_is_refused(tmp_path: Path, columns: dict[str, list[object]], said: str) -> None:
    with pytest.raises(QueryError, match=said):
        write_plot(pa.table(columns), tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()
