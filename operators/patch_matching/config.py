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


@dataclass(frozen=True, slots=True)
class CorrelationConfig:
    """How an ROI is moved over a frame.

    width: how much smaller than 1 a cosine is when its patch has 1/e of a vote.
    fewer: factor of the score for every further level of the ROI's pyramid, in (0, 1].
    threshold: least cosine of two patches that are part of the match's mask; it does not change the score.
    """

    width: float = 0.2
    fewer: float = 0.9
    threshold: float = 0.6

    def __post_init__(self) -> None:
        require.above(0, width=self.width)
        require.within("(0, 1]", fewer=self.fewer)
        require.within("[-1, 1]", threshold=self.threshold)
