"""Figures of methods of search, to be handed to somebody else: recall curves as PNG, SVG or PDF, or an HTML report."""

import io
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.pictures.plotting import PLOT_SUFFIXES, plot_style
from deploy.reports.html_report import html_report
from schemas.errors import QueryError, RegionLakeError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pipeline.lab.evaluation.metrics import Estimate
    from pipeline.lab.evaluation.retrieval.tables import RetrievalTable, Row, TaskTable

SUFFIXES = (".html", *PLOT_SUFFIXES)
_RECALL = re.compile(r"R@(\d+)")
_WIDTH_IN, _HEIGHT_IN = 4.5, 3.6
_DPI = 150
_STYLE = """
h2 { font-size: 16px; } code { overflow-wrap: anywhere; }
div { overflow-x: auto; } table { border-collapse: collapse; } svg { max-width: 100%; height: auto; }
th, td { padding: 5px 14px 5px 0; border-bottom: 1px solid #d8dee4; text-align: right; white-space: nowrap; }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
"""


def write_retrieval_report(table: "RetrievalTable", path: Path, *, command: str) -> None:
    """The suffix of the path names what is written. command: what measured it.

    Raises QueryError where the tasks have no recall to draw, RegionLakeError where the file cannot be written, or
    Matplotlib is not installed.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".html":
            path.write_text(report_html(table, command=command))
        else:
            _drawn(recall_curves(table), path)
    except OSError as error:
        raise RegionLakeError(f"{path} cannot be written: {error}") from error


def recalls(row: "Row") -> "list[tuple[int, Estimate]]":
    """The recall of a row at each k, in order."""
    found = ((_RECALL.fullmatch(name), value) for name, value in row.measures.items())
    return sorted((int(match[1]), value) for match, value in found if match is not None)


def recall_curves(table: "RetrievalTable") -> "Figure":
    """Recall over k, a plot for each task and a line for each method, with its 95 % interval.

    Of a task whose questions have subsets, the first is drawn, which has all.
    """
    shown = [(task, _first_subset(task)) for task in table.tasks]
    shown = [(task, rows) for task, rows in shown if any(len(recalls(row)) > 1 for row in rows)]
    if not shown:
        raise QueryError("no task of this table has a recall at several k to draw; an .html report has all figures")
    with plot_style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(_WIDTH_IN * len(shown), _HEIGHT_IN), dpi=_DPI, layout="constrained")
        for axes, (task, rows) in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
            for row in rows:
                points = recalls(row)
                at = [k for k, _ in points]
                (line,) = axes.plot(at, [each.value for _, each in points], marker="o", markersize=3, label=row.method)
                low, high = ([_bound(each, side) for _, each in points] for side in ("low", "high"))
                axes.fill_between(at, low, high, alpha=0.15, color=line.get_color(), linewidth=0)
            axes.set_xscale("log")
            axes.set_xticks(at, [str(k) for k in at])
            axes.minorticks_off()
            axes.set(title=task.task, xlabel="k", ylabel="recall at k", ylim=(0, 1))
            axes.grid(axis="y", alpha=0.3)
            axes.legend(frameon=False)
            axes.spines[["top", "right"]].set_visible(False)
    return figure


def report_html(table: "RetrievalTable", *, command: str) -> str:
    """One file without scripts: the figures of every task with their intervals, and curves of recall if any."""
    copies = f", {table.copies:,} copies omitted" if table.copies else ""
    about = f"{table.dataset} ({table.layout}): {table.frames:,} frames{copies}; {table.model}; 95 % intervals"
    body = (
        f"<p><code>{escape(command)}</code></p>\n{_curves(table)}{''.join(map(_section, table.tasks))}{_costs(table)}"
    )
    return html_report(f"Search on {table.dataset}", about=about, style=_STYLE, body=body)


def _first_subset(task: "TaskTable") -> "list[Row]":
    first = next((row.subset for row in task.rows), "")
    return [row for row in task.rows if row.subset == first]


def _bound(estimate: "Estimate", side: str) -> float:
    found = estimate.low if side == "low" else estimate.high
    return estimate.value if found is None else found


def _curves(table: "RetrievalTable") -> str:
    try:
        figure = recall_curves(table)
    except QueryError:
        return ""  # a table alone is a report, too
    file = io.StringIO()
    _drawn(figure, file, kind="svg")
    return f"<div>{file.getvalue()[file.getvalue().index('<svg') :]}</div>\n"


def _drawn(figure: "Figure", path: "Path | io.StringIO", *, kind: str | None = None) -> None:
    with plot_style():
        figure.savefig(path, format=kind)


def _section(task: "TaskTable") -> str:
    names = list(dict.fromkeys(name for row in task.rows for name in row.measures))
    rows = [
        [row.subset, row.method, str(task.questions[row.subset])]
        + [str(row.measures[name]) if name in row.measures else "–" for name in names]
        + ["–" if row.gain is None else str(row.gain)]
        for row in task.rows
    ]
    heads = ["questions", "method", "n", *names, f"Δ {names[0] if names else ''}"]
    missing = "".join(
        f"<p>{escape(f'{method} does not answer {task.task}: {why}')}</p>\n" for method, why in task.unanswered.items()
    )
    return f"<h2>{escape(task.task)}</h2>\n{_table(heads, rows)}{missing}"


def _costs(table: "RetrievalTable") -> str:
    rows = [
        [method, plan, f"{table.bytes_a_frame[method]:,.0f}"]
        + [f"{task.ms[method]:.0f}" if method in task.ms else "–" for task in table.tasks]
        for method, plan in table.plans.items()
    ]
    heads = ["method", "plan", "bytes a frame", *(f"ms, {task.task}" for task in table.tasks)]
    return f"<h2>Costs</h2>\n{_table(heads, rows)}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(each)}</td>' for each in row)}</tr>\n" for row in rows)
    return f"<div><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>\n"
