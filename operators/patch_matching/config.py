"""Settings of matching a region of interest patch by patch."""

from dataclasses import dataclass
from typing import Literal

from schemas.errors import InvalidValueError

VoteKind = Literal["majority", "unique", "weighted", "weighted-unique"]


@dataclass(frozen=True, slots=True)
class GrowingConfig:
    """How a matching region grows. Source: RIS; methods.md §5.4 and §5.6.

    threshold: τ, least cosine of two patches that match.
    seeds: how many pairs a region is grown from; the largest region is kept.
    coverage_power: α, how much the share of the ROI that was found counts beside the likeness of what was found.
    """

    threshold: float = 0.6
    seeds: int = 16
    coverage_power: float = 1.0

    def __post_init__(self) -> None:
        if not -1 <= self.threshold <= 1:
            raise InvalidValueError(f"threshold must be a cosine in [-1, 1], got {self.threshold}")
        if self.seeds < 1:
            raise InvalidValueError(f"seeds must be at least 1, got {self.seeds}")
        if self.coverage_power < 0:
            raise InvalidValueError(f"coverage_power must not be negative, got {self.coverage_power}")
