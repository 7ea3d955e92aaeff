"""How a plan turns the patch vectors of a frame into a few representatives."""

from dataclasses import dataclass
from typing import Literal, get_args

from schemas import require

AggregationMethod = Literal["none", "all", "kmeans", "agglomerative-count", "agglomerative-threshold", "regions"]


@dataclass(frozen=True, slots=True)
class RepresentativesConfig:
    """What stands for a frame beside its one global vector. Source: Cluster-CLIP; methods.md §4.2.

    method: "none"; "all", every patch itself; "kmeans" (K.M.), `count` clusters; "agglomerative-count" (AG-F), the
        same by merging the nearest two until `count` are left; "agglomerative-threshold" (AG-T), merging while the
        nearest two are within `threshold`; "regions" (R.P.), the mean under each of the first `count` regions.
    count: representatives of a frame at most; "all" and "agglomerative-threshold" take as many as there are.
    threshold: mean distance `1 − cos` between the patches of two clusters, in [0, 2].
    """

    method: AggregationMethod = "none"
    count: int = 50
    threshold: float = 0.4

    def __post_init__(self) -> None:
        require.one_of(get_args(AggregationMethod), method=self.method)
        require.at_least(1, count=self.count)
        require.within("[0, 2]", threshold=self.threshold)  # a distance 1 − cos

    def fields_in_use(self) -> tuple[str, ...]:
        """Names of the fields on which representatives depend; none where none are made."""
        match self.method:
            case "none":
                return ()
            case "all":
                return ("method",)
            case "agglomerative-threshold":
                return ("method", "threshold")
            case _:
                return ("method", "count")
