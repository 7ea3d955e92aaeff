"""Catches a fused ranking that differs from brute force, or depends on the order of the candidates."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from operators.ranking.fusion import contenders, fuse, rank_frames, with_prior
from schemas.errors import InvalidValueError
from schemas.query import Normalisation, Ranking

NORMALISATIONS: tuple[Normalisation, ...] = get_args(Normalisation)


def brute_force(semantic: list[float], geometric: list[float], *, weight: float, how: Normalisation) -> list[float]:
    """methods.md §1.3, one candidate at a time, in Python floats."""

    def normalised(values: list[float]) -> list[float]:
        low, high = min(values), max(values)
        if how == "raw":
            return values
        if how == "minmax":
            return [(v - low) / (high - low) if high > low else 0.0 for v in values]
        if how == "zscore":
            mean = sum(values) / len(values)
            deviation = (sum((v - mean) ** 2 for v in values) / len(values)) ** 0.5
            return [(v - mean) / deviation if high > low else 0.0 for v in values]
        return [61 / (60 + 1 + sum(other < v for other in values)) for v in values]

    fused = [weight * s + (1 - weight) * g for s, g in zip(normalised(semantic), normalised(geometric), strict=True)]
    return [1 - f for f in fused] if how == "rrf" else fused


@st.composite
def candidates(draw: st.DrawFn) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]]:
    """Distances on a grid of 1/16, so that ties abound, and the frame of each candidate."""
    count = draw(st.integers(1, 30))
    step = st.integers(0, 16).map(lambda n: n / 16)
    semantic = draw(st.lists(step, min_size=count, max_size=count))
    geometric = draw(st.lists(step, min_size=count, max_size=count))
    frames = draw(st.lists(st.integers(0, 7), min_size=count, max_size=count))
    return np.array(semantic, np.float32), np.array(geometric, np.float32), np.array(frames)


def ids(numbers: NDArray[np.intp], letter: str) -> NDArray[np.bytes_]:
    return np.array([f"{letter}{n * 7919 % 997:03d}" for n in numbers], "S32")


@pytest.mark.parametrize("how", NORMALISATIONS)
@given(data=candidates(), weight=st.floats(0, 1))
def test_fused_distance_equals_brute_force(
    how: Normalisation, data: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]], weight: float
) -> None:
    semantic, geometric, _ = data
    fused = fuse(semantic, geometric, ranking=Ranking(semantic_weight=weight, normalisation=how))
    expected = brute_force(semantic.tolist(), geometric.tolist(), weight=weight, how=how)
    assert fused.dtype == np.float32
    np.testing.assert_allclose(fused, expected, atol=2e-6)  # float32 of a z-score of a few units


@pytest.mark.parametrize("how", NORMALISATIONS)
@given(data=candidates(), weight=st.sampled_from([0.0, 0.3, 0.5, 1.0]), k=st.integers(1, 9), seed=st.integers(0, 99))
def test_ranking_equals_brute_force_and_ignores_input_order(
    how: Normalisation,
    data: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]],
    weight: float,
    k: int,
    seed: int,
) -> None:
    semantic, geometric, frame = data
    ranking = Ranking(semantic_weight=weight, normalisation=how)
    candidate = np.arange(len(frame))

    def ranked(order: NDArray[np.intp], *, only_contenders: bool) -> list[int]:
        distance = fuse(semantic[order], geometric[order], ranking=ranking)
        kept = contenders(distance, frame[order], k=k) if only_contenders else np.arange(len(order))
        chosen = order[kept]
        best = rank_frames(distance[kept], frame_id=ids(frame[chosen], "f"), candidate_id=ids(chosen, "c"), k=k)
        return [int(i) for i in chosen[best]]

    distance = fuse(semantic, geometric, ranking=ranking)
    names, frame_names = ids(candidate, "c"), ids(frame, "f")
    best: dict[bytes, tuple[float, bytes, int]] = {}
    for i in range(len(frame)):
        mine = (float(distance[i]), bytes(names[i]), i)
        best[bytes(frame_names[i])] = min(mine, best.get(bytes(frame_names[i]), mine))
    expected = [mine[2] for _, mine in sorted(best.items(), key=lambda item: (item[1][0], item[0]))][:k]

    shuffled = np.random.default_rng(seed).permutation(len(frame))
    assert ranked(candidate, only_contenders=False) == expected
    assert ranked(shuffled, only_contenders=False) == expected
    assert ranked(shuffled, only_contenders=True) == expected


@given(data=candidates(), k=st.integers(1, 9), seed=st.integers(0, 99))
def test_contenders_hold_the_true_top_when_distances_are_off_by_the_slack(
    data: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]], k: int, seed: int
) -> None:
    true, _, frame = data
    slack = 0.1
    noise = np.random.default_rng(seed).uniform(-slack, slack, len(true)).astype(np.float32) * 0.999
    kept = contenders(true + noise, frame, k=k, slack=slack)
    names, frame_names = ids(np.arange(len(true)), "c"), ids(frame, "f")
    whole = rank_frames(true, frame_id=frame_names, candidate_id=names, k=k)
    part = kept[rank_frames(true[kept], frame_id=frame_names[kept], candidate_id=names[kept], k=k)]
    assert part.tolist() == whole.tolist()


def test_a_single_distance_is_left_as_it_is() -> None:
    one = np.array([0.3, 0.1, 0.2], np.float32)
    for how in NORMALISATIONS:
        assert fuse(one, None, ranking=Ranking(normalisation=how)).tolist() == one.tolist()
        assert fuse(None, one, ranking=Ranking(normalisation=how)).tolist() == one.tolist()


def test_golden_fusions_of_three_candidates() -> None:
    semantic, geometric = np.array([0.7, 0.75, 0.8], np.float32), np.array([1.0, 0.0, 0.5], np.float32)

    def fused(how: Normalisation) -> list[float]:
        return fuse(semantic, geometric, ranking=Ranking(semantic_weight=0.5, normalisation=how)).tolist()

    assert fused("raw") == pytest.approx([0.85, 0.375, 0.65], abs=1e-6)
    assert fused("minmax") == pytest.approx([0.5, 0.25, 0.75], abs=1e-6)
    assert fused("zscore") == pytest.approx([0.0, -(1.5**0.5) / 2, 1.5**0.5 / 2], abs=1e-5)
    # ranks 1, 2, 3 and 3, 1, 2
    assert fused("rrf") == pytest.approx(
        [1 - (1 + 61 / 63) / 2, 1 - (61 / 62 + 1) / 2, 1 - (61 / 63 + 61 / 62) / 2], abs=1e-6
    )


def test_no_candidates_have_no_order() -> None:
    none = np.zeros(0, np.float32)
    for how in NORMALISATIONS:
        assert fuse(none, none, ranking=Ranking(normalisation=how)).size == 0
    assert contenders(none, np.zeros(0, np.intp), k=3).size == 0


def test_neither_distance_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="got neither"):
        fuse(None, None, ranking=Ranking())


def test_distances_of_different_lengths_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="both distances must be"):
        fuse(np.zeros(2, np.float32), np.zeros(3, np.float32), ranking=Ranking())


@given(st.lists(st.tuples(st.floats(0, 2, width=32), st.floats(0, 1, width=32)), max_size=20), st.floats(0, 1))
def test_a_surer_region_gains_and_one_without_a_score_stays(rows: list[tuple[float, float]], prior: float) -> None:
    distance, score = np.array(rows, np.float32).reshape(-1, 2).T
    np.testing.assert_allclose(with_prior(distance, score, prior=prior), distance + prior * (0.3 - score), atol=1e-6)
    unknown = np.full(len(rows), np.float32(np.nan))
    np.testing.assert_array_equal(with_prior(distance, unknown, prior=prior), distance)
