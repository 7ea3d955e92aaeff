"""What all plots share: the kinds of files that they can be, and how Matplotlib is set up."""

from collections.abc import Iterator
from contextlib import contextmanager

from schemas.errors import RegionLakeError

PLOT_SUFFIXES = (".png", ".svg", ".pdf")


@contextmanager
def plot_style() -> Iterator[None]:
    """Within it figures are drawn and saved. Raises RegionLakeError where Matplotlib is not installed."""
    try:
        from matplotlib import rc_context
    except ModuleNotFoundError as error:
        raise RegionLakeError("matplotlib is not installed; run: pip install 'regionlake[plot]'") from error
    # dollars begin no formulas; SVG has texts, which can be found and read aloud
    with rc_context({"text.parse_math": False, "svg.fonttype": "none"}):
        yield
