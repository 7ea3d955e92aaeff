"""Fits a calibration to vectors and labels alone, whatever model made them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from operators.encoders.calibration import (
    VECTOR_KINDS,
    Calibration,
    Doubles,
    LogisticWeights,
    QueryKind,
    VectorKind,
    chance,
)
from operators.runtime.blas_threads import one_blas_thread
from pipeline.lab.training.confidence.vectors import LabelledVectors, PictureVectors
from schemas import require
from schemas.errors import InvalidValueError
from schemas.vectors import VectorArray

IndexArray = NDArray[np.intp]
_DIGITS = 5  # of weights: what the order of a sum changes is not stored
_RIDGE = 1e-6  # keeps weights finite where a sample separates perfectly


@dataclass(frozen=True, slots=True)
class CalibrationConfig:
    """scales: the factors of cosines that are tried; that with the smallest loss for words is kept.

    queries: number of objects, and of whole pictures, that are queries. seed: of their choice.
    """

    scales: tuple[float, ...] = (8.0, 12.0, 16.0, 24.0)
    queries: int = 400
    seed: int = 0

    def __post_init__(self) -> None:
        require.above(0, scales=self.scales)
        require.at_least(1, queries=self.queries)


@dataclass(frozen=True, slots=True, eq=False)
class _Queries:
    """vectors: float32 (Q, D). classes: bool (Q, C), of which a vector must show one. picture: intp (Q,), the query's
    own, which is omitted from its answer; −1 for words. weight: float64 (Q,), of each query in the fit."""

    vectors: VectorArray
    classes: NDArray[np.bool_]
    picture: IndexArray
    weight: Doubles


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """Pairs of a query and what a search finds for it in one picture: float64 (N,) each, right: bool (N,)."""

    cosine: Doubles
    of_region: Doubles
    of_query: Doubles
    right: NDArray[np.bool_]
    weight: Doubles


@one_blas_thread()
def fit_calibration(
    pictures: PictureVectors,
    *,
    words: VectorArray,
    word_classes: IndexArray,
    nouns: VectorArray,
    shares: VectorArray,
    config: CalibrationConfig,
) -> Calibration:
    """Fits a calibration by logistic regression on what a search finds.

    For each query and picture the sample has the nearest region, which a search would return, and the whole frame. Most
    of them are wrong, because most pictures do not show a class.
    words: float32 (Q, D), vectors of names of classes; word_classes: intp (Q,), the class of each. nouns: float32
    (K, D), vectors of common nouns, and shares: float32 (K,), their shares of a log-partition; the sum is 1.
    Deterministic. Raises InvalidValueError if nothing is right, or nothing wrong.
    """
    number = pictures.regions.shows.shape[1]
    counts = np.bincount(word_classes, minlength=number)
    by_words = _Queries(
        words,
        word_classes[:, None] == np.arange(number),
        np.full(len(words), -1, np.intp),
        1.0 / counts[word_classes],
    )
    fits = []
    for scale in config.scales:
        made = Calibration(nouns, shares, scale, {})
        found = {kind: _fit(_sample(by_words, _of(pictures, kind), made), with_query=False) for kind in VECTOR_KINDS}
        fits.append((sum(loss for _, loss in found.values()), scale, found))
    _, scale, of_words = min(fits, key=lambda fit: fit[0])
    weights: dict[tuple[QueryKind, VectorKind], LogisticWeights] = {
        ("words", kind): own for kind, (own, _) in of_words.items()
    }
    made = Calibration(nouns, shares, scale, {})
    rng = np.random.default_rng(config.seed)
    kinds: tuple[tuple[QueryKind, LabelledVectors], ...] = (("part", pictures.objects), ("picture", pictures.frames))
    for query, among in kinds:
        drawn = _drawn(among, most=config.queries, rng=rng)
        for kind in VECTOR_KINDS:
            weights[query, kind], _ = _fit(_sample(drawn, _of(pictures, kind), made), with_query=True)
    return Calibration(nouns, shares, scale, weights)


def _of(pictures: PictureVectors, kind: VectorKind) -> LabelledVectors:
    return pictures.regions if kind == "region" else pictures.frames


def _drawn(among: LabelledVectors, *, most: int, rng: np.random.Generator) -> _Queries:
    """Queries by vectors that show something, at most `most`; classes are drawn evenly, so that no one dominates."""
    shown = np.flatnonzero(among.shows.any(axis=1))
    if not len(shown):
        raise InvalidValueError("no picture shows any of the classes: a calibration needs labelled objects")
    rarity = (among.shows[shown] / np.maximum(1, among.shows[shown].sum(axis=0))).sum(axis=1)
    chosen = np.sort(rng.choice(shown, min(most, len(shown)), replace=False, p=rarity / rarity.sum()))
    return _Queries(among.vectors[chosen], among.shows[chosen], among.pictures[chosen], np.ones(len(chosen)))


def _sample(queries: _Queries, among: LabelledVectors, made: Calibration) -> _Sample:
    """The nearest vector of each picture for each query, without the query's own picture."""
    row, cosine = nearest_rows(queries.vectors, among)
    pictures = np.unique(among.pictures)
    other = np.not_equal(queries.picture[:, None], pictures[None])
    right = np.asarray((among.shows[row] & queries.classes[:, None, :]).any(axis=2))
    of_region = made.log_partition(among.vectors)[row]
    of_query = np.broadcast_to(made.log_partition(queries.vectors)[:, None], row.shape)
    weight = np.broadcast_to(queries.weight[:, None], row.shape)
    return _Sample(cosine[other], of_region[other], of_query[other], right[other], weight[other])


def nearest_rows(queries: VectorArray, among: LabelledVectors) -> tuple[IndexArray, Doubles]:
    """The nearest vector of every picture to every query: its row, intp (Q, P), and its cosine, float64 (Q, P).

    P: pictures that have a vector, in their order.
    """
    wide = queries.astype(np.float64)
    starts = np.flatnonzero(np.diff(among.pictures, prepend=-1))
    stops = [*starts[1:].tolist(), len(among)]
    rows = np.empty((len(queries), len(starts)), np.intp)
    cosines = np.empty(rows.shape)
    for column, (start, stop) in enumerate(zip(starts.tolist(), stops, strict=True)):
        products = wide @ among.vectors[start:stop].astype(np.float64).T
        best = products.argmax(axis=1)
        rows[:, column] = start + best
        cosines[:, column] = products[np.arange(len(queries)), best]
    return rows, cosines


def _fit(sample: _Sample, *, with_query: bool) -> tuple[LogisticWeights, float]:
    """The weights of a logistic regression, and their mean loss in nats. with_query: whether L(q) takes part."""
    if sample.right.all() or not sample.right.any():
        raise InvalidValueError(f"all {len(sample.right)} answers are {'right' if sample.right.any() else 'wrong'}")
    columns = np.stack([sample.cosine, -sample.of_region, -sample.of_query], axis=1)
    mean, deviation = columns.mean(axis=0), columns.std(axis=0)
    x = (columns - mean) / np.where(deviation > 0, deviation, 1.0)
    right = sample.right.astype(np.float64)
    total = sample.weight.sum()

    def loss(b: Doubles) -> tuple[float, Doubles]:
        odds = b[0] + x @ b[1:]
        off = sample.weight * (chance(odds) - right) / total
        value = float(np.sum(sample.weight * (np.logaddexp(0.0, odds) - right * odds)) / total)
        return value + 0.5 * _RIDGE * float(b @ b), np.concatenate([[off.sum()], x.T @ off]) + _RIDGE * b

    bounds = [(None, None), (0.0, None), (0.0, None), (None, None) if with_query else (0.0, 0.0)]
    found = minimize(loss, np.zeros(4), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500})
    slopes = found.x[1:] / np.where(deviation > 0, deviation, 1.0)
    offset = float(found.x[0] - slopes @ mean)
    cosine, region, query = (round(float(slope), _DIGITS) for slope in slopes)
    return LogisticWeights(round(offset, _DIGITS), cosine, region, query), float(found.fun)
