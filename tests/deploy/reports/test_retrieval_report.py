"""Reports of `lab eval search`. Catches figures that are lost or under another method, curves at other places than the
figures, and names that become markup."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from deploy.reports.retrieval_report import recall_curves, recalls, report_html, write_retrieval_report
from pipeline.lab.evaluation.metrics import Estimate
from pipeline.lab.evaluation.retrieval.tables import RetrievalTable, Row, TaskTable
from schemas.errors import QueryError, RegionLakeError

FIGURES = {"global": (0.125, 0.25, 0.5), "<regions>": (0.375, 0.625, 0.75)}


def estimate(value: float) -> Estimate:
    return Estimate(value, value - 0.0625, value + 0.0625, 40)


def table(*, names: tuple[str, ...] = ("R@10", "R@1", "R@5")) -> RetrievalTable:
    rows = tuple(
        Row(
            method,
            "all",
            dict(zip(names, (estimate(high), estimate(low), estimate(middle)), strict=True)) | {"MRR": estimate(0.5)},
            None if method == "global" else Estimate(0.25, 0.1, 0.4, 40),
        )
        for method, (low, middle, high) in FIGURES.items()
    )
    small = Row("global", "small", {names[0]: estimate(0.0625)}, None)
    task = TaskTable(
        "boxes", {"all": 40, "small": 9}, (*rows, small), {"global": 1.0}, {"codes": "it needs <a> region"}
    )
    return RetrievalTable(
        "tud & co", "mot", 36, 0, "everyday@r", dict.fromkeys(FIGURES, "ab12"), dict.fromkeys(FIGURES, 256.0), (task,)
    )


def test_recalls_are_in_order_of_k() -> None:
    row = table().tasks[0].rows[0]
    assert [(k, each.value) for k, each in recalls(row)] == [(1, 0.125), (5, 0.25), (10, 0.5)]


def test_curves_go_through_the_figures_of_their_method() -> None:
    (axes,) = recall_curves(table()).axes
    drawn = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.get_lines()}
    assert drawn == {method: ([1, 5, 10], list(values)) for method, values in FIGURES.items()}
    assert axes.get_title() == "boxes"


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_curves_are_files_of_each_kind(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / "new" / f"curves{suffix}"
    write_retrieval_report(table(), path, command="regionlake lab eval search tud")
    if suffix == ".png":
        with Image.open(path) as picture:
            assert picture.format == "PNG"
    elif suffix == ".svg":
        assert "<regions>" in "".join(ElementTree.parse(path).getroot().itertext())
    else:
        assert path.read_bytes().startswith(b"%PDF")


def test_the_report_has_every_figure_and_no_markup_of_others() -> None:
    text = report_html(table(), command="regionlake lab eval search <tud>")
    assert "<regions>" not in text
    assert "<a>" not in text
    assert "&lt;tud&gt;" in text
    assert "<script" not in text
    rows = [re.findall("<td>(.*?)</td>", row) for row in re.findall("<tr>(.*?)</tr>", text)]
    assert ["all", "&lt;regions&gt;", "40", ".750 [.688, .812]", ".375 [.312, .438]"] in [row[:5] for row in rows]
    assert ["small", "global", "9", ".062 [.000, .125]", "–"] in [row[:5] for row in rows]
    assert text.count("<svg") == 1


def test_a_table_without_recalls_is_a_report_without_curves(tmp_path: Path) -> None:
    other = table(names=("mAP@50", "P@10", "IoU"))
    assert "<svg" not in report_html(other, command="")
    with pytest.raises(QueryError, match="no task of this table has a recall"):
        write_retrieval_report(other, tmp_path / "curves.png", command="")


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RegionLakeError, match="cannot be written"):
        write_retrieval_report(table(), tmp_path / "file" / "report.html", command="")
