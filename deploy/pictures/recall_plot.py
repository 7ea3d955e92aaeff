"""Draws what share of the exact hits the index finds, by how much of it is read."""

from pathlib import Path

from deploy.pictures.plotting import plot_style
from pipeline.search.index.region_index import CurvePoint, Tuning
from schemas.errors import RegionLakeError


def write_recall_plot(tuning: Tuning, path: Path) -> None:
    """Draws a line for each size of the box into a PNG, SVG or PDF file.

    Raises RegionLakeError where the file cannot be written, or Matplotlib is not installed.
    """
    with plot_style():
        _draw(tuning, path)


def _draw(tuning: Tuning, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    for zone, area in sorted({(point.zone, point.area) for point in tuning.curve}):
        points = [point for point in tuning.curve if (point.zone, point.area) == (zone, area)]
        name = where_measured(points[0])
        axes.plot([100 * p.share for p in points], [p.recall_10 for p in points], marker="o", label=name)
    axes.axhline(tuning.recall_target, color="0.6", linestyle="--", linewidth=1)
    axes.annotate(f"target {tuning.recall_target:g}", (0.01, tuning.recall_target), xycoords=("axes fraction", "data"))
    axes.set_xscale("log")
    axes.set_xlabel("part of the index that is read, %")
    axes.set_ylabel("recall@10 of the exact answer")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    try:
        figure.savefig(path)
    except OSError as error:
        raise RegionLakeError(f"{path} cannot be written: {error}") from error


def where_measured(point: CurvePoint) -> str:
    """Where the queries of a point looked, in words."""
    return f"{'zone' if point.zone else 'box'} of {point.area:.0%} of the frame" if point.area else "anywhere"
