"""Catches a check of a setting that lets a wrong value pass, NaN above all, or does not say which it was."""

import doctest
import math
import re
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import require
from schemas.errors import InvalidValueError

NUMBERS = st.floats(allow_nan=False)


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (lambda: require.at_least(1, k=2, limit=0), "limit must be at least 1, got 0"),
        (
            lambda: require.at_least(timedelta(0), age=timedelta(-1)),
            "age must be at least 0:00:00, got -1 day, 0:00:00",
        ),
        (lambda: require.above(0, stale_s=0.0), "stale_s must be above 0, got 0.0"),
        (lambda: require.above(Fraction(0), time_base=Fraction(-1, 3)), "time_base must be above 0, got -1/3"),
        (lambda: require.above(0, zoom=(0.5, 0.0)), "zoom must be above 0, got (0.5, 0.0)"),
        (lambda: require.within("[0, 1)", memory=1.0), "memory must lie in [0, 1), got 1.0"),
        (lambda: require.within("(0, inf)", wait_s=math.inf), "wait_s must lie in (0, inf), got inf"),
        (lambda: require.in_order("<=", a=1, b=3, c=2), "a <= b <= c must hold, got 1, 3, 2"),
        (lambda: require.in_order("<", low=1, high=1), "low < high must hold, got 1, 1"),
        (lambda: require.ranges(zoom=(2.0, 1.0)), "zoom must be a range from low to high, got 2.0 to 1.0"),
        (lambda: require.one_of(("a", "b"), mode="c"), "mode must be one of a, b, got 'c'"),
        (lambda: require.distinct(use=("x", "y", "x")), "use must differ from each other, got 'x' twice"),
        (lambda: require.not_empty(cells=()), "cells must hold at least one, got none"),
        (lambda: require.not_all_zero(a=0.0, b=0), "one of a, b must differ from 0, got only zeros"),
        (lambda: require.same_length(ids=[1], boxes=[]), "ids, boxes must be of one length, got 1, 0"),
        (lambda: require.within("0 to 1", share=0.5), "an interval is written like [0, 1), got '0 to 1'"),
    ],
)
def test_message_names_the_setting_what_is_allowed_and_what_came(check, said):
    with pytest.raises(InvalidValueError, match=f"^{re.escape(said)}$"):
        check()


@pytest.mark.parametrize(
    "check",
    [
        lambda x: require.at_least(0, x=x),
        lambda x: require.above(0, x=x),
        lambda x: require.within("[-inf, inf]", x=x),
        lambda x: require.within("[-inf, inf]", x=(1.0, x)),
        lambda x: require.in_order("<=", x=x, y=1.0),
        lambda x: require.ranges(x=(0.0, x)),
    ],
)
def test_nan_never_passes(check):
    check(1.0)
    with pytest.raises(InvalidValueError):
        check(math.nan)


def test_what_is_not_set_is_not_checked():
    require.at_least(3, kernel_size=None)
    require.above(timedelta(0), max_age=None)
    require.within("[0, 1]", least_score=None)


def passes(check) -> bool:
    try:
        check()
    except InvalidValueError:
        return False
    return True


@given(low=NUMBERS, high=NUMBERS, value=NUMBERS)
def test_an_interval_takes_what_its_brackets_say(low, high, value):
    for opening, over in (("[", low <= value), ("(", low < value)):
        for closing, under in (("]", value <= high), (")", value < high)):
            if low < high:
                assert passes(lambda i=f"{opening}{low}, {high}{closing}": require.within(i, value=value)) == (
                    over and under
                )


@given(st.lists(NUMBERS, min_size=1, max_size=5))
def test_settings_in_order_are_those_that_sorting_leaves_in_place(values):
    settings = {f"x{i}": value for i, value in enumerate(values)}
    assert passes(lambda: require.in_order("<=", **settings)) == (values == sorted(values))
    assert passes(lambda: require.in_order("<", **settings)) == (values == sorted(set(values)))


def test_the_example_is_true():
    assert doctest.testmod(require) == (0, 1)
