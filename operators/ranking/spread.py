"""What a normalisation knows of all candidates, in parts that can be joined: the whole is the same to the last bit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Self

import numpy as np
from numpy.typing import NDArray

from schemas.boxes import FloatArray
from schemas.query import Normalisation

_HALF = 24  # bits: sums of so many in float64 are exact for 2^29 candidates


def _none() -> FloatArray:
    return np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Of the distances of all candidates: what `normalised` needs of them, and nothing else.

    low, high: the least and the largest; inf and -inf where there are none.
    total, squares: the exact sums of the distances and of their squares, for "zscore".
    ordered: float32 (N,), ascending, for "rrf".
    """

    count: int
    low: float = math.inf
    high: float = -math.inf
    total: Fraction = Fraction(0)
    squares: Fraction = Fraction(0)
    ordered: FloatArray = field(default_factory=_none)

    @classmethod
    def of(cls, distance: FloatArray, normalisation: Normalisation) -> Self:
        """distance: float32 (N,), finite."""
        if normalisation == "raw" or not len(distance):
            return cls(len(distance))
        if normalisation == "rrf":
            return cls(len(distance), ordered=np.sort(distance.astype(np.float32, copy=False)))
        low, high = float(distance.min()), float(distance.max())
        if normalisation == "minmax":
            return cls(len(distance), low, high)
        wide = distance.astype(np.float32, copy=False).astype(np.float64)
        return cls(len(distance), low, high, _exact_sum(wide), _exact_sum(wide * wide))  # 48 bits: exact, too

    @classmethod
    def joined(cls, parts: Sequence["Spread"]) -> Self:
        """The spread of the candidates of all parts."""
        ordered = [part.ordered for part in parts if len(part.ordered)]
        return cls(
            sum(part.count for part in parts),
            min((part.low for part in parts), default=math.inf),
            max((part.high for part in parts), default=-math.inf),
            sum((part.total for part in parts), Fraction(0)),
            sum((part.squares for part in parts), Fraction(0)),
            np.sort(np.concatenate(ordered)) if ordered else _none(),
        )

    @property
    def mean(self) -> float:
        return float(self.total / self.count)

    @property
    def deviation(self) -> float:
        """The standard deviation; positive where not all distances are equal."""
        return math.sqrt(self.squares / self.count - (self.total / self.count) ** 2)


def _exact_sum(values: NDArray[np.float64]) -> Fraction:
    """The exact sum of finite numbers of at most 48 bits: of whole numbers, for each exponent."""
    mantissa, exponent = np.frexp(values)
    whole = np.ldexp(mantissa, 2 * _HALF)
    upper = np.floor(np.ldexp(whole, -_HALF))
    lower = whole - np.ldexp(upper, _HALF)
    least = int(exponent.min())
    high, low = (np.bincount(exponent - least, weights=half) for half in (upper, lower))
    sums = [(int(h) << _HALF) + int(w) for h, w in zip(high.tolist(), low.tolist(), strict=True)]
    return sum(
        (Fraction(each) * Fraction(2) ** (least + n - 2 * _HALF) for n, each in enumerate(sums) if each), Fraction(0)
    )
