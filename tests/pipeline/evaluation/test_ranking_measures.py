"""Measures of a ranking, against their definitions. Catches an average precision that depends on input order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluation.ranking_measures import average_precision, mean_average_precision, ranks_of_truth
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
