"""How a plan turns the patch vectors of a frame into a few representatives."""

from dataclasses import dataclass
from typing import Literal, get_args

from schemas import require

RepresentativesMethod = Literal["none", "all", "kmeans", "agglomerative-count", "agglomerative-threshold", "regions"]


@dataclass(frozen=True, slots=True)
class RepresentativesConfig:
    """The vectors that represent a frame in addition to its global vector. Source: Cluster-CLIP; methods.md §4.2.

    method: "none". "all": every patch. "kmeans" (K.M.): the means of `count` clusters. "agglomerative-count" (AG-F):
        the means of clusters, of which the nearest two are merged until `count` are left. "agglomerative-threshold"
        (AG-T): the same, merging while the nearest two are within `threshold`. "regions" (R.P.): the mean under each
        of the first `count` regions.
    count: largest number of representatives of a frame; "all" and "agglomerative-threshold" have no limit.
    threshold: largest mean distance `1 − cos` between the patches of two merged clusters, in [0, 2].
    """

    method: RepresentativesMethod = "none"
    count: int = 50
    threshold: float = 0.4

    def __post_init__(self) -> None:
        require.one_of(get_args(RepresentativesMethod), method=self.method)
        require.at_least(1, count=self.count)
        require.within("[0, 2]", threshold=self.threshold)  # a distance 1 − cos

    def fields_in_use(self) -> tuple[str, ...]:
        """Names of the fields on which representatives depend; empty if none are made."""
        match self.method:
            case "none":
                return ()
            case "all":
                return ("method",)
            case "agglomerative-threshold":
                return ("method", "threshold")
            case _:
                return ("method", "count")
