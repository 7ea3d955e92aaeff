"""Imports Arrow without pandas, for commands that make no data frame."""

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec


def import_arrow_without_pandas() -> None:
    """Imports PyArrow's data sets, which Lance needs, without pandas; for commands that make no data frame.

    PyArrow imports pandas when it makes its first array, to recognise data frames: 0.3 s and 50 MB, a quarter of a
    search. Converting a table to a data frame later still imports pandas.
    """
    refuse = _RefusePandas()
    sys.meta_path.insert(0, refuse)
    try:
        import pyarrow.dataset  # noqa: F401
    finally:
        sys.meta_path.remove(refuse)


class _RefusePandas(MetaPathFinder):
    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is not imported here", name=fullname)
        return None
