"""The methods of ranking, by name."""

from collections.abc import Callable
from functools import partial

from pipeline.search.methods.boxed import Regions, WholeFrames
from pipeline.search.methods.codes import Codes
from pipeline.search.methods.detail import Detail
from pipeline.search.methods.listed import FrameRepresentatives, Patches
from pipeline.search.methods.matched import Correlation, Growing, Votes
from pipeline.search.methods.method import Method, SearchState
from schemas.query import MethodName

METHODS: dict[MethodName, Callable[[SearchState], Method]] = {
    "regions": Regions,
    "global": WholeFrames,
    "codes": Codes,
    "detail": Detail,
    "representatives": FrameRepresentatives,
    "representatives-global": partial(FrameRepresentatives, with_frames=True),
    "patches": Patches,
    "votes": partial(Votes, kind="majority"),
    "votes-unique": partial(Votes, kind="unique"),
    "votes-weighted": partial(Votes, kind="weighted"),
    "votes-weighted-unique": partial(Votes, kind="weighted-unique"),
    "growing": Growing,
    "correlation": Correlation,
}
