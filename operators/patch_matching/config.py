"""Settings for matching a region of interest (ROI) patch by patch."""

from dataclasses import dataclass
from typing import Literal

from schemas import require

VoteKind = Literal["majority", "unique", "weighted", "weighted-unique"]


@dataclass(frozen=True, slots=True)
class GrowingConfig:
    """How a matching region grows. Source: RIS; methods.md §5.4 and §5.6.

    threshold: τ, least cosine of two patches that match.
    seeds: number of pairs from which regions are grown; the largest region is kept.
    coverage_power: α, exponent of the share of the ROI that was found, which is multiplied by the similarity.
    """

    threshold: float = 0.6
    seeds: int = 16
    coverage_power: float = 1.0

    def __post_init__(self) -> None:
        require.within("[-1, 1]", threshold=self.threshold)
        require.at_least(1, seeds=self.seeds)
        require.at_least(0, coverage_power=self.coverage_power)
