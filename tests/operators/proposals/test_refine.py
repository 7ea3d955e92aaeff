"""Catches duplicate boxes, proposers without any box in the limit, and results that depend on the order of input."""

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.proposals.refine import RefineConfig, nms, refine
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.masks import Mask
from schemas.regions import Proposals

unit = st.one_of(st.floats(0, 1, width=32), st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]))
box = st.tuples(unit, unit, unit, unit).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)
boxes = st.lists(box, max_size=30).map(lambda rows: Boxes(np.array(rows, np.float32).reshape(-1, 4)))
ious = st.floats(0, 1)


@st.composite
def proposals(draw: st.DrawFn) -> Proposals:
    rows = draw(boxes)
    count = len(rows)
    score = draw(st.lists(st.sampled_from([0.1, 0.5, 0.9]), min_size=count, max_size=count))
    names = draw(
        st.lists(st.sampled_from(["objects", "moving", "selective", "grid-2"]), min_size=count, max_size=count)
    )
    return Proposals.of(rows, score=np.array(score, np.float32), proposer=names)


configs = st.builds(
    RefineConfig,
    max_iou=ious,
    min_side=st.sampled_from([0.0, 0.01, 0.3]),
    limit=st.integers(1, 20),
    reserve=st.integers(0, 6),
    one_scale=st.sampled_from([(), ("objects", "moving")]),
    stand_ins=st.sampled_from([(), ("grid",)]),
)


def source_of(name: str, config: RefineConfig) -> str:
    """Proposers of one scale are one source."""
    return config.one_scale[0] if name in config.one_scale else name


def assert_equal(a: Proposals, b: Proposals) -> None:
    np.testing.assert_array_equal(a.boxes.xyxy, b.boxes.xyxy)
    np.testing.assert_array_equal(a.score, b.score)
    assert a.proposer == b.proposer


def rows_of(found: Proposals) -> list[tuple[object, ...]]:
    pairs = zip(found.boxes.xyxy.tolist(), found.score.tolist(), found.proposer, strict=True)
    return [(*xyxy, score, name) for xyxy, score, name in pairs]


@settings(deadline=None)
@given(boxes, ious)
def test_nms_of_what_nms_kept_keeps_all(a: Boxes, max_iou: float) -> None:
    kept = a[nms(a, max_iou=max_iou)]
    assert nms(kept, max_iou=max_iou).tolist() == list(range(len(kept)))


@settings(deadline=None)
@given(boxes, ious)
def test_nms_keeps_no_pair_above_max_iou_and_drops_only_for_a_better_one(a: Boxes, max_iou: float) -> None:
    kept = nms(a, max_iou=max_iou)
    iou = a.iou(a)
    between = iou[np.ix_(kept, kept)] - np.eye(len(kept)) * 2
    assert between.max(initial=0.0) <= max_iou + 1e-6  # float32
    for dropped in set(range(len(a))) - set(kept.tolist()):
        better = kept[kept < dropped]
        assert iou[dropped, better].max(initial=0.0) >= max_iou - 1e-6


@settings(deadline=None)
@given(boxes, ious, st.integers(0, 10))
def test_nms_with_a_limit_keeps_the_first_of_what_it_keeps_without(a: Boxes, max_iou: float, limit: int) -> None:
    assert nms(a, max_iou=max_iou, limit=limit).tolist() == nms(a, max_iou=max_iou).tolist()[:limit]


@settings(deadline=None)
@given(proposals(), configs)
def test_refining_again_changes_nothing(found: Proposals, config: RefineConfig) -> None:
    once = refine(found, config)
    assert_equal(refine(once, config), once)


@settings(deadline=None)
@given(proposals(), configs)
def test_what_is_kept_was_proposed_is_large_enough_apart_and_within_the_limit(
    found: Proposals, config: RefineConfig
) -> None:
    kept = refine(found, config)
    assert set(rows_of(kept)) <= set(rows_of(found))
    assert len(kept) <= config.limit
    sides = kept.boxes.xyxy[:, 2:] - kept.boxes.xyxy[:, :2]
    assert sides.min(initial=1.0) >= config.min_side - 2e-6  # float32
    iou = kept.boxes.iou(kept.boxes) - np.eye(len(kept)) * 2
    assert iou.max(initial=0.0) <= config.max_iou + 1e-6


@settings(deadline=None)
@given(proposals(), configs)
def test_the_limit_takes_nobody_s_reserve(found: Proposals, config: RefineConfig) -> None:
    everything = refine(found, replace(config, limit=1000))
    kept = refine(found, config)
    assert len(kept) == min(config.limit, len(everything))
    names = [source_of(name, config) for name in everything.proposer]
    reserved = {name: min(config.reserve, names.count(name)) for name in names}
    for name in set(names):
        own = [row for row in rows_of(everything) if source_of(str(row[-1]), config) == name]
        kept_own = [row for row in rows_of(kept) if source_of(str(row[-1]), config) == name]
        assert kept_own == own[: len(kept_own)]  # the best of each proposer, in order
        if sum(reserved.values()) <= config.limit:
            assert len(kept_own) >= reserved[name]


@settings(deadline=None)
@given(proposals(), configs, st.randoms(use_true_random=False))
def test_the_order_within_a_proposer_does_not_matter(
    found: Proposals, config: RefineConfig, chance: random.Random
) -> None:
    order = list(range(len(found)))
    chance.shuffle(order)
    sources = [source_of(name, config) for name in found.proposer]
    first = list(dict.fromkeys(sources))
    order.sort(key=lambda i: first.index(sources[i]))
    assert_equal(refine(found.take(np.array(order, np.intp)), config), refine(found, config))


def test_on_one_scale_the_better_box_stays_whoever_proposed_it() -> None:
    rows = np.array([[0.1, 0.1, 0.5, 0.5], [0.6, 0.1, 0.9, 0.5]], np.float32)
    objects = Proposals.of(Boxes(rows), score=np.array([0.3, 0.8], np.float32), proposer="objects")
    moving = Proposals.of(Boxes(rows), score=np.array([0.5, 0.6], np.float32), proposer="moving")
    config = RefineConfig(one_scale=("objects", "moving"))
    kept = refine(Proposals.concat([moving, objects]), config)
    assert rows_of(kept) == [(*rows[1].tolist(), pytest.approx(0.8), "objects"), (*rows[0].tolist(), 0.5, "moving")]
    best = refine(Proposals.concat([moving, objects]), replace(config, max_iou=1.0, limit=3, reserve=0))
    assert best.score.tolist() == pytest.approx([0.8, 0.6, 0.5])


def test_static_windows_are_kept_only_where_nothing_else_is_proposed() -> None:
    cells = Proposals.of(
        Boxes(np.array([[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]], np.float32)), score=1.0, proposer="grid-2"
    )
    speck = Proposals.of(Boxes(np.array([[0.7, 0.1, 0.705, 0.9]], np.float32)), score=0.9, proposer="objects")
    thing = Proposals.of(Boxes(np.array([[0.7, 0.1, 0.8, 0.4]], np.float32)), score=0.1, proposer="objects")
    config = RefineConfig(stand_ins=("grid",))
    assert refine(Proposals.concat([thing, cells]), config).proposer == ("objects",)
    # what is too small to be kept is no proposal
    assert refine(Proposals.concat([speck, cells]), config).proposer == ("grid-2", "grid-2")
    assert refine(Proposals.concat([thing, cells]), replace(config, stand_ins=())).proposer == (
        "objects",
        "grid-2",
        "grid-2",
    )


def test_the_proposer_named_first_wins_over_a_higher_score_of_the_next() -> None:
    same = Boxes(np.array([[0.1, 0.1, 0.5, 0.5]], np.float32))
    first = Proposals.of(same, score=0.2, proposer="moving")
    kept = refine(Proposals.concat([first, Proposals.of(same, score=0.9, proposer="cover-2")]), RefineConfig())
    assert kept.proposer == ("moving",)


def test_room_that_is_left_goes_to_the_first_proposer() -> None:
    rows = np.array([[i / 20, 0, i / 20 + 0.05, 0.1] for i in range(10)], np.float32)
    parts = [
        Proposals.of(Boxes(rows + np.array([0, 0.5 * j, 0, 0.5 * j], np.float32)), score=1.0, proposer=name)
        for j, name in enumerate(("moving", "cover-2"))
    ]
    kept = refine(Proposals.concat(parts), RefineConfig(limit=12, reserve=3))
    assert (kept.proposer.count("moving"), kept.proposer.count("cover-2")) == (9, 3)


def test_a_side_of_exactly_min_side_is_large_enough() -> None:
    rows = np.array([[0.7, 0.2, 0.71, 0.3], [0.2, 0.7, 0.3, 0.709]], np.float32)
    kept = refine(Proposals.of(Boxes(rows), score=1.0, proposer="moving"), RefineConfig(min_side=0.01))
    np.testing.assert_array_equal(kept.boxes.xyxy, rows[:1])


def test_nothing_proposed_nothing_kept() -> None:
    assert len(refine(Proposals.concat([]), RefineConfig())) == 0


@pytest.mark.parametrize("wrong", [{"max_iou": 1.1}, {"min_side": 1.0}, {"limit": 0}, {"reserve": -1}])
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match=next(iter(wrong))):
        RefineConfig(**wrong)  # type: ignore[arg-type]


def test_what_a_dropped_twin_knew_goes_to_the_one_that_stays() -> None:
    """Two proposers find the same object: the box of the first and the class name of the second are both wanted."""
    mask = Mask(10, 10, b"", 0)
    moving = Proposals.of(Boxes(np.array([[0.1, 0.1, 0.5, 0.5]], np.float32)), score=0.5, proposer="moving")
    named = Proposals.of(
        Boxes(np.array([[0.1, 0.1, 0.5, 0.52], [0.6, 0.6, 0.9, 0.9]], np.float32)),
        score=0.9,
        proposer="detector",
        label=["person", "dog"],
        mask=[mask, None],
        stability=np.array([0.8, np.nan], np.float32),
    )
    found = refine(Proposals.concat([moving, named]), RefineConfig(max_iou=0.7))
    assert found.proposer == ("moving", "detector")
    assert found.label == ("person", "dog")
    assert found.mask == (mask, None)
    np.testing.assert_array_equal(found.stability, np.array([0.8, np.nan], np.float32))
    np.testing.assert_array_equal(found.boxes.xyxy[0], moving.boxes.xyxy[0])
