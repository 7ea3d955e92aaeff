"""From the patch grid of a frame to its representatives, as a plan says."""

from collections.abc import Callable

import numpy as np

from operators.representatives.agglomerative import AgglomerativeAggregator
from operators.representatives.config import RepresentativesConfig
from operators.representatives.kmeans import KMeansAggregator
from operators.representatives.region_means import RegionMeans
from operators.representatives.representatives import Representatives, of_clusters
from schemas.boxes import Boxes
from schemas.errors import PlanError
from schemas.patches import PatchGrid

Aggregate = Callable[[PatchGrid, Boxes], Representatives]


def build_aggregator(config: RepresentativesConfig) -> Aggregate:
    """What takes a frame's grid and its proposed boxes, and gives its representatives.

    The same grid and boxes give the same. Raises PlanError for the method "none".
    """
    match config.method:
        case "none":
            raise PlanError('no representatives are made by the method "none"')
        case "all":
            return lambda grid, _: of_clusters(grid, np.arange(len(grid)))
        case "kmeans":
            return _of_grid(KMeansAggregator(count=config.count))
        case "agglomerative-count":
            return _of_grid(AgglomerativeAggregator(count=config.count))
        case "agglomerative-threshold":
            return _of_grid(AgglomerativeAggregator(threshold=config.threshold))
        case "regions":
            return RegionMeans(count=config.count)


def _of_grid(aggregate: Callable[[PatchGrid], Representatives]) -> Aggregate:
    return lambda grid, _: aggregate(grid)
