"""A logistic regression that begins at a word's own vector: few labels move it little, many move it far."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from schemas import require
from schemas.errors import InvalidValueError

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class WordFit:
    """How a word is fitted.

    strengths: candidates for the weight of the penalty, |u − prior|², of which cross-validation takes the one with the
    least log-loss. folds: of the cross-validation, by groups.
    """

    strengths: tuple[float, ...] = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
    folds: int = 4

    def __post_init__(self) -> None:
        require.above(0, **{f"strengths[{i}]": value for i, value in enumerate(self.strengths)})
        require.at_least(2, folds=self.folds)


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """What was fitted: the log-odds that a vector v shows the word are `offset + direction · v`.

    direction: float64 (D,), not of unit length. strength: the one that cross-validation took.
    """

    direction: Doubles
    offset: float
    strength: float


def fit_word(
    vectors: NDArray[np.floating],
    shows: NDArray[np.bool_],
    weights: Doubles,
    groups: Sequence[str],
    *,
    prior: Doubles,
    config: WordFit | None = None,
) -> Fitted:
    """Fits the log-odds that a vector shows the word. The same input gives the same result.

    vectors: float (N, D). shows: bool (N,). weights: of the examples. groups: of which the folds of the
    cross-validation are made, so that parts of one frame are in one fold. prior: float64 (D,), the direction from which
    it moves away only as far as the examples pay for it; zeros where nothing is known before.
    Raises InvalidValueError unless there are examples of both kinds.
    """
    config = config or WordFit()
    if not shows.any() or shows.all():
        raise InvalidValueError("a word needs regions that show it, and others that do not")
    data = vectors.astype(np.float64)
    share = weights / weights.sum()
    names = sorted({group for group, yes in zip(groups, shows.tolist(), strict=True) if yes})
    rest = sorted(set(groups) - set(names))
    fold = {name: number % config.folds for listed in (names, rest) for number, name in enumerate(listed)}
    folds = np.array([fold[group] for group in groups])
    usable = [each for each in range(config.folds) if shows[folds != each].any() and shows[folds == each].any()]
    with threadpool_limits(limits=1):  # sums in one order
        strength = max(config.strengths)
        if len(usable) >= 2:
            losses = {each: _loss(data, shows, share, folds, usable, prior, each) for each in config.strengths}
            strength = min(losses, key=lambda each: (losses[each], -each))
        direction, offset = _minimum(data, shows, share, prior, strength)
    return Fitted(direction, offset, strength)


def _loss(
    data: Doubles,
    shows: NDArray[np.bool_],
    share: Doubles,
    folds: NDArray[np.intp],
    usable: Sequence[int],
    prior: Doubles,
    strength: float,
) -> float:
    """The weighted log-loss of what each fold's examples get from the others."""
    total = 0.0
    for each in usable:
        own = folds == each
        known = share[~own] / share[~own].sum()
        direction, offset = _minimum(data[~own], shows[~own], known, prior, strength)
        sign = np.where(shows[own], 1.0, -1.0)
        total += float(share[own] @ np.logaddexp(0.0, -sign * (data[own] @ direction + offset)))
    return total


def _minimum(
    data: Doubles, shows: NDArray[np.bool_], share: Doubles, prior: Doubles, strength: float
) -> tuple[Doubles, float]:
    sign = np.where(shows, 1.0, -1.0)

    def value(at: Doubles) -> tuple[float, Doubles]:
        direction, offset = at[:-1], at[-1]
        margin = sign * (data @ direction + offset)
        moved = direction - prior
        slope = -share * sign * np.exp(-np.logaddexp(0.0, margin))
        loss = float(share @ np.logaddexp(0.0, -margin)) + strength / 1e3 * float(moved @ moved)
        return loss, np.append(data.T @ slope + 2 * strength / 1e3 * moved, slope.sum())

    rate = float(share[shows].sum())
    start = np.append(prior, np.log(rate / (1 - rate)) - float(np.mean(data @ prior)))
    found = minimize(value, start, jac=True, method="L-BFGS-B", options={"maxiter": 500})
    return found.x[:-1], float(found.x[-1])
