"""Builds the aggregator of a plan, which turns the patch grid of a frame into its representatives."""

from collections.abc import Callable

import numpy as np

from operators.representatives.config import RepresentativesConfig
from operators.representatives.region_means import RegionMeans
from operators.representatives.representatives import Representatives, of_clusters
from schemas.boxes import Boxes
from schemas.errors import PlanError
from schemas.patches import PatchGrid

MakeRepresentatives = Callable[[PatchGrid, Boxes], Representatives]


def build_representatives(config: RepresentativesConfig) -> MakeRepresentatives:
    """Builds a function from a frame's patch grid and proposed boxes to its representatives.

    The same grid and boxes always give the same representatives. Raises PlanError for the method "none".
    """
    # scikit-learn takes a second to import, for which an ingest without it need not wait
    match config.method:
        case "none":
            raise PlanError('the method "none" makes no representatives')
        case "all":
            return lambda grid, _: of_clusters(grid, np.arange(len(grid)))
        case "kmeans":
            from operators.representatives.kmeans import KMeansRepresentatives

            return _of_grid(KMeansRepresentatives(count=config.count))
        case "agglomerative-count" | "agglomerative-threshold":
            from operators.representatives.agglomerative import AgglomerativeRepresentatives

            if config.method == "agglomerative-count":
                return _of_grid(AgglomerativeRepresentatives(count=config.count))
            return _of_grid(AgglomerativeRepresentatives(threshold=config.threshold))
        case "regions":
            return RegionMeans(count=config.count)


def _of_grid(make: Callable[[PatchGrid], Representatives]) -> MakeRepresentatives:
    return lambda grid, _: make(grid)
