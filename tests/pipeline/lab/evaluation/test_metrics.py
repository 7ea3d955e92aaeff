"""Measures of a ranking against scikit-learn, pycocotools and values computed by hand. Catches measures that depend on
the order of input, count items that cannot be found or items beyond k; and intervals with the wrong coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as coco
from sklearn import metrics as sklearn

from pipeline.lab.evaluation.metrics import (
    Estimate,
    average_precision,
    average_precision_at,
    bootstrapped,
    localisation,
    mean_average_precision,
    multiple_recall_at,
    ranks_of_truth,
    recall_at,
    reciprocal_rank,
)
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError

RANKING = st.lists(st.tuples(st.floats(-1, 1, width=32), st.booleans()), min_size=1, max_size=30).filter(
    lambda items: any(relevant for _, relevant in items)
)


def test_the_docstrings_example() -> None:
    value = average_precision(np.array([3.0, 2.0, 1.0]), np.array([True, False, True]))
    assert value == pytest.approx(5 / 6)


@given(RANKING)
def test_ap_is_the_mean_of_precisions_at_relevant_items(items: list[tuple[float, bool]]) -> None:
    scores, relevant = np.array([s for s, _ in items]), np.array([r for _, r in items])
    ranked = [r for _, r in sorted(items, key=lambda item: -item[0])]  # sorted is stable, as the measure
    expected = np.mean([sum(ranked[: i + 1]) / (i + 1) for i, r in enumerate(ranked) if r])
    assert average_precision(scores, relevant) == pytest.approx(expected)


@given(RANKING, st.randoms())
def test_ap_ignores_input_order_where_scores_differ(items: list[tuple[float, bool]], random: object) -> None:
    distinct = list({score: (score, relevant) for score, relevant in items}.values())
    if not any(r for _, r in distinct):
        return
    shuffled = list(distinct)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    a, b = (average_precision(np.array([s for s, _ in x]), np.array([r for _, r in x])) for x in (distinct, shuffled))
    assert a == pytest.approx(b)


def test_classes_of_which_nothing_is_relevant_do_not_count() -> None:
    scores = np.array([[1.0, 5.0], [0.0, 6.0]])
    assert mean_average_precision(scores, np.array([[True, False], [False, False]])) == 1.0
    with pytest.raises(InvalidValueError, match="at least one relevant"):
        average_precision(scores[:, 0], np.zeros(2, bool))


def test_the_first_choice_has_rank_nought() -> None:
    scores = np.array([[0.1, 0.9, 0.5], [0.3, 0.2, 0.1]])
    assert ranks_of_truth(scores, np.array([2, 0])).tolist() == [1, 0]


FOUND = st.lists(st.booleans(), min_size=1, max_size=60).filter(any)
EXAMPLE = np.array([True, False, True])  # of the docstrings, with 4 relevant in all


def test_the_examples_of_the_docstrings() -> None:
    assert [recall_at(EXAMPLE, relevant=4, k=k) for k in (1, 3, 5)] == pytest.approx([1, 2 / 3, 2 / 4])
    assert average_precision_at(EXAMPLE, relevant=4) == pytest.approx((1 + 2 / 3) / 4)
    assert average_precision_at(EXAMPLE, relevant=4, k=3) == pytest.approx((1 + 2 / 3) / 3)
    second_and_fifth = np.array([False, True, False, False, True, False])
    assert [multiple_recall_at(second_and_fifth, relevant=2, k=k) for k in (1, 3)] == [0.5, 1.0]
    assert reciprocal_rank(second_and_fifth) == 0.5


def test_detailclips_recall_by_hand() -> None:
    # 3 relevant, at ranks 1, 4 and 8; Recall@1 looks at the first 3, Recall@3 at 9
    found = np.isin(np.arange(1, 13), [1, 4, 8])
    assert [multiple_recall_at(found, relevant=3, k=k) for k in (1, 2, 3, 5)] == pytest.approx([1 / 3, 2 / 3, 1, 1])


@given(FOUND)
def test_average_precision_is_scikit_learns(items: list[bool]) -> None:
    found = np.array(items)
    scores = -np.arange(len(found), dtype=float)
    expected = sklearn.average_precision_score(found, scores)
    assert average_precision(scores, found) == pytest.approx(expected)
    assert average_precision_at(found, relevant=int(found.sum())) == pytest.approx(expected)


@given(FOUND, st.integers(1, 70))
def test_average_precision_of_the_first_k_is_scikit_learns_times_their_share(items: list[bool], k: int) -> None:
    found, relevant = np.array(items), sum(items)
    first = found[:k]
    expected = 0.0
    if first.any():
        whole = sklearn.average_precision_score(first, -np.arange(len(first), dtype=float))
        expected = whole * first.sum() / min(k, relevant)
    assert average_precision_at(found, relevant=relevant, k=k) == pytest.approx(expected)


@given(FOUND, st.integers(1, 70))
def test_recall_is_scikit_learns_of_those_that_fit_into_k(items: list[bool], k: int) -> None:
    found, relevant = np.array(items), sum(items)
    first = np.arange(len(found)) < k
    expected = sklearn.recall_score(found, first) * relevant / min(k, relevant)
    assert recall_at(found, relevant=relevant, k=k) == pytest.approx(expected)
    by_multiple = sklearn.recall_score(found, np.arange(len(found)) < k * relevant)
    assert multiple_recall_at(found, relevant=relevant, k=k) == pytest.approx(by_multiple)


def test_with_one_relevant_item_recall_and_reciprocal_rank_are_scikit_learns() -> None:
    draw = np.random.default_rng(0)
    scores, truth = draw.normal(size=(50, 12)), np.arange(50) % 12
    found = np.take_along_axis(np.arange(12) == truth[:, None], np.argsort(-scores, axis=1), axis=1)
    for k in (1, 5, 10):
        mean = np.mean([recall_at(f, relevant=1, k=k) for f in found])
        assert mean == pytest.approx(sklearn.top_k_accuracy_score(truth, scores, k=k))
    expected = sklearn.label_ranking_average_precision_score(np.arange(12) == truth[:, None], scores)
    assert np.mean([reciprocal_rank(f) for f in found]) == pytest.approx(expected)


def test_what_was_not_returned_is_not_found() -> None:
    nothing = np.zeros(3, bool)
    assert recall_at(nothing, relevant=2, k=5) == average_precision_at(nothing, relevant=2) == 0.0
    assert reciprocal_rank(nothing) == reciprocal_rank(nothing[:0]) == 0.0
    with pytest.raises(InvalidValueError, match="at least one relevant item"):
        recall_at(nothing, relevant=0, k=1)
    with pytest.raises(InvalidValueError, match="all that were found; got 1"):
        recall_at(~nothing, relevant=1, k=1)


def test_localisation_is_pycocotools_iou_with_the_best_true_box() -> None:
    draw = np.random.default_rng(1)
    corners = np.sort(draw.uniform(size=(9, 2, 2)), axis=1).reshape(9, 4).astype(np.float32)
    xywh = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1).astype(np.float64)
    box, truth = Boxes(corners[:1]), Boxes(corners[1:])
    assert localisation(box, truth) == pytest.approx(coco.iou(xywh[:1], xywh[1:], [0] * 8).max(), abs=1e-6)
    assert localisation(box, Boxes.empty()) == 0.0
    with pytest.raises(InvalidValueError, match="one returned box"):
        localisation(truth, truth)


def test_intervals_hold_the_true_mean_about_as_often_as_they_say() -> None:
    draw = np.random.default_rng(2)
    held = 0
    for _ in range(150):
        # recalls of 60 queries: skewed, in [0, 1], mean 1/4
        estimate = bootstrapped(draw.beta(0.5, 1.5, size=60), resamples=400)
        assert estimate.low is not None
        assert estimate.high is not None
        held += estimate.low <= 0.25 <= estimate.high
    assert 0.89 <= held / 150 <= 0.99  # 95 %, three standard errors of 150 trials to each side


def test_intervals_are_the_same_under_a_seed_and_narrow_with_the_queries() -> None:
    values: NDArray[np.float64] = np.random.default_rng(3).uniform(size=400)
    assert bootstrapped(values) == bootstrapped(values)
    assert _width(bootstrapped(values)) < 0.6 * _width(bootstrapped(values[:100]))


def test_equal_values_one_value_and_none() -> None:
    assert bootstrapped([0.5, 0.5]) == Estimate(0.5, 0.5, 0.5, 2)
    assert bootstrapped([0.25]) == Estimate(0.25, None, None, 1)
    with pytest.raises(InvalidValueError, match="finite values"):
        bootstrapped([])
    with pytest.raises(InvalidValueError, match="finite values"):
        bootstrapped([0.5, float("nan")])


def test_an_estimate_prints_itself_with_its_interval() -> None:
    assert str(Estimate(0.5124, 0.4471, 1.0, 9)) == ".512 [.447, 1.000]"
    assert str(Estimate(-0.25, None, None, 1)) == "-.250"


def _width(estimate: Estimate) -> float:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.high - estimate.low
