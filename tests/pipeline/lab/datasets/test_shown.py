"""What a region shows: catches regions that show what is beside them, and parts of things that show nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.lab.datasets.dataset import Objects
from pipeline.lab.datasets.shown import classes_in, shown_classes
from schemas.boxes import Boxes


def objects(*boxes: tuple[float, float, float, float], labels: tuple[int, ...] = (1,)) -> Objects:
    return Objects.of(Boxes(np.array(boxes).reshape(-1, 4)), labels=labels, width_px=100, height_px=100)


BUS = (0.2, 0.2, 0.6, 0.6)


@pytest.mark.parametrize(
    ("region", "shows"),
    [
        (BUS, True),
        ((0.3, 0.3, 0.4, 0.4), True),  # a part of it
        ((0.5, 0.3, 0.69, 0.4), True),  # half of the region is the bus, and a bit
        ((0.5, 0.3, 0.75, 0.4), False),  # less than half of the region, and little of the bus
        ((0.0, 0.0, 1.0, 1.0), True),  # all of it, in a sixth of the region
        ((0.6, 0.2, 0.9, 0.6), False),  # beside it: they only touch
        ((0.2, 0.4, 1.0, 1.0), True),  # its lower half, in a sixth of the region
    ],
)
def test_a_region_shows_what_fills_it_or_what_is_half_in_it(
    region: tuple[float, float, float, float], shows: bool
) -> None:
    found = shown_classes(Boxes(np.array([region])), objects(BUS), classes=3)
    assert found.tolist() == [[False, shows, False]]


def test_a_thing_that_is_small_in_a_region_is_not_shown_by_it() -> None:
    small = objects((0.4, 0.4, 0.6, 0.6))
    frame, half = (0.0, 0.0, 1.0, 1.0), (0.3, 0.3, 0.9, 0.9)
    assert shown_classes(Boxes(np.array([frame, half])), small, classes=2)[:, 1].tolist() == [False, True]
    assert classes_in(small, classes=2).tolist() == [False, True]  # the whole picture shows it, however small


side = st.floats(0.0, 1.0, width=32)
box = st.tuples(side, side, side, side).filter(lambda b: abs(b[0] - b[2]) > 0.01 and abs(b[1] - b[3]) > 0.01)


@given(box, box)
def test_a_box_with_half_of_its_union_in_common_always_shows_the_object(
    a: tuple[float, float, float, float], b: tuple[float, float, float, float]
) -> None:
    one, other = (Boxes(np.array([[min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)]])) for x0, y0, x1, y1 in (a, b))
    thing = Objects.of(other, labels=(0,), width_px=10, height_px=10)
    if one.iou(other)[0, 0] >= 0.5 + 1e-6:
        assert shown_classes(one, thing, classes=1)[0, 0]


def test_a_picture_without_objects_shows_nothing() -> None:
    none = objects(labels=())
    assert not shown_classes(Boxes(np.array([BUS])), none, classes=2).any()
    assert not classes_in(none, classes=2).any()
