"""How a plan turns the patch vectors of a frame into a few representatives."""

from dataclasses import dataclass
from typing import Literal, get_args

from schemas.errors import PlanError

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
        if self.method not in get_args(AggregationMethod):
            raise PlanError(f"method must be one of {', '.join(get_args(AggregationMethod))}, got {self.method!r}")
        if self.count < 1:
            raise PlanError(f"count must be at least 1, got {self.count}")
        if not 0 <= self.threshold <= 2:
            raise PlanError(f"threshold must be in [0, 2], a distance 1 − cos, got {self.threshold}")

    def in_use(self) -> dict[str, str | int | float]:
        """The settings on which representatives depend; none where none are made."""
        match self.method:
            case "none":
                return {}
            case "all":
                return {"method": self.method}
            case "agglomerative-threshold":
                return {"method": self.method, "threshold": self.threshold}
            case _:
                return {"method": self.method, "count": self.count}
