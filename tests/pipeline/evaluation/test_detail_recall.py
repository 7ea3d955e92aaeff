"""DetailCLIP's Recall@k. Catches the usual recall@k in its place, and classes without pictures counted as zero."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluation.detail_recall import detail_recall, detail_recalls
from schemas.errors import InvalidValueError

# Six pictures, three classes, by hand. Class 0: ranked pictures 0 1 2 3 4 5, relevant 0, 2, 5 (n = 3): of the first
# 3, pictures 0 and 2; of the first 9, all. Class 1: ranked 5 4 3 2 1 0, relevant 3 (n = 1): third. Class 2: no picture.
SCORES = np.array([[6, 1, 0], [5, 2, 9], [4, 3, 1], [3, 4, 2], [2, 5, 5], [1, 6, 4]], np.float32)
RELEVANT = np.array([[1, 0, 0], [0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0]], bool)


def test_recalls_of_a_table_made_by_hand() -> None:
    np.testing.assert_allclose(detail_recalls(SCORES, RELEVANT, k=1), [2 / 3, 0])
    np.testing.assert_allclose(detail_recalls(SCORES, RELEVANT, k=2), [1, 0])
    np.testing.assert_allclose(detail_recalls(SCORES, RELEVANT, k=3), [1, 1])
    assert detail_recall(SCORES, RELEVANT, k=1) == pytest.approx(1 / 3)


@given(st.integers(0, 2**31), st.integers(1, 4))
def test_recall_grows_with_k_and_ignores_the_order_of_pictures(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    scores, relevant = rng.permutation(60).reshape(20, 3).astype(np.float64), rng.random((20, 3)) < 0.3
    relevant[0] = True
    recall = detail_recall(scores, relevant, k=k)
    assert 0 <= recall <= detail_recall(scores, relevant, k=k + 1) <= 1
    order = rng.permutation(20)
    assert detail_recall(scores[order], relevant[order], k=k) == recall


def test_a_perfect_ranking_has_recall_1_at_k_1() -> None:
    assert detail_recall(RELEVANT[:, :2].astype(float), RELEVANT[:, :2], k=1) == 1.0


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"\(N, C\)"):
        detail_recalls(SCORES[0], RELEVANT[0], k=1)
    with pytest.raises(InvalidValueError, match="at least one class"):
        detail_recall(SCORES[:, 2:], RELEVANT[:, 2:], k=1)
    with pytest.raises(InvalidValueError, match="k must be"):
        detail_recall(SCORES, RELEVANT, k=0)
