"""The measures of confidences: catches errors that cancel, and cut-offs that are not the best."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.lab.evaluation.confidence import best_cut, best_cuts, macro_f1, reliability


def test_a_true_confidence_has_hardly_any_error_and_a_constant_one_no_skill() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(size=20_000)
    right = rng.random(20_000) < p
    true = reliability("x", p, right, queries=1)
    assert true.error < 0.02
    assert true.skill == pytest.approx(1 / 3, abs=0.03)  # 1 − E[p(1−p)] ÷ ¼
    constant = reliability("x", np.full(20_000, right.mean()), right, queries=1)
    assert constant.skill == pytest.approx(0.0, abs=1e-9)


def test_bins_have_equal_mass_and_their_errors_do_not_cancel() -> None:
    p = np.array([0.2] * 50 + [0.8] * 50)
    right = np.array(
        [True, True, True, True, False] * 10 + [True, False, False, False, False] * 10
    )  # just the opposite
    table = reliability("x", p, right, queries=2)
    assert [each.hits for each in table.bins] == [10] * 10
    assert (table.base, table.hits, table.queries, table.number) == (0.5, 100, "x", 2)
    assert table.error == pytest.approx(0.6)
    assert table.skill < 0


@pytest.mark.parametrize(("confidence", "skill"), [(0.0, 0.0), (0.5, -np.inf)])
def test_outcomes_that_are_all_equal_leave_no_skill_to_show(confidence: float, skill: float) -> None:
    assert reliability("x", np.full(20, confidence), np.zeros(20, bool), queries=1).skill == skill


def test_macro_f1_is_the_mean_over_the_classes_that_are_shown() -> None:
    truth = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]], bool)
    scores = np.array([[0.9, 0.1, 0.9], [0.1, 0.1, 0.9], [0.6, 0.6, 0.1], [0.1, 0.9, 0.1]])
    # class 0: one of two found, one wrong: F1 ½; class 1: one of one found, one wrong: F1 ⅔; class 2 is not shown
    assert macro_f1(scores, truth, 0.5) == pytest.approx((1 / 2 + 2 / 3) / 2)


@given(st.integers(0, 1000))
def test_no_other_cut_off_of_a_class_is_better_and_own_ones_are_at_least_as_good_as_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.random((30, 4)) < 0.3
    scores = rng.normal(size=(30, 4)) + truth
    own = best_cuts(scores, truth)
    for label in np.flatnonzero(truth.any(axis=0)):
        every = [macro_f1(scores[:, [label]], truth[:, [label]], cut) for cut in scores[:, label]]
        assert macro_f1(scores[:, [label]], truth[:, [label]], own[label]) == pytest.approx(max(every))
    if truth.any():
        assert macro_f1(scores, truth, own) >= macro_f1(scores, truth, best_cut(scores, truth)) - 1e-12
