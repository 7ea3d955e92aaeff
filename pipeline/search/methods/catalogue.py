"""The ways of ranking by their names."""

from collections.abc import Callable

from pipeline.search.methods.boxed import Regions, WholeFrames
from pipeline.search.methods.detail import Detail
from pipeline.search.methods.method import Method, SearchState
from schemas.query import MethodName

METHODS: dict[MethodName, Callable[[SearchState], Method]] = {
    "regions": Regions,
    "global": WholeFrames,
    "detail": Detail,
}
