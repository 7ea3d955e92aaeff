"""Checks of settings: each raises InvalidValueError that names the setting, what is allowed, and what was given.

Settings are given by name, so that the message and the code cannot disagree:

>>> at_least(1, epochs=3, batch=0)
Traceback (most recent call last):
schemas.errors.InvalidValueError: batch must be at least 1, got 0

Where a setting is a tuple, each of its numbers is checked; None means that a setting is not set. NaN never passes.
"""

import re
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence, Sized
from datetime import timedelta
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Literal, TypeVar

from schemas.errors import InvalidValueError

_Number = TypeVar("_Number", float, Fraction, timedelta)


def at_least(low: _Number, /, **settings: _Number | Sequence[_Number] | None) -> None:
    _each(lambda value: value >= low, f"must be at least {low}", settings)


def above(low: _Number, /, **settings: _Number | Sequence[_Number] | None) -> None:
    _each(lambda value: value > low, f"must be above {low}", settings)


def within(interval: str, /, **settings: float | Sequence[float] | None) -> None:
    """interval: as in mathematics, "[0, 1)" from 0 to just below 1, "(0, inf)" positive and finite."""
    low, high, takes_low, takes_high = _parse(interval)

    def fits(value: float) -> bool:
        return low < value < high or (takes_low and value == low) or (takes_high and value == high)

    _each(fits, f"must lie in {interval}", settings)


def in_order(sign: Literal["<", "<="], /, **settings: float) -> None:
    """Each setting is less than the next, or at most equal to it, by the sign."""
    if not all(a < b or (sign == "<=" and a == b) for a, b in pairwise(settings.values())):
        values = ", ".join(map(str, settings.values()))
        raise InvalidValueError(f"{f' {sign} '.join(settings)} must hold, got {values}")


def ranges(**settings: tuple[float, float]) -> None:
    """Each setting goes from its first number to its second, which is not below it."""
    for name, (low, high) in settings.items():
        if not low <= high:
            raise InvalidValueError(f"{name} must be a range from low to high, got {low} to {high}")


def one_of(choices: Collection[str], /, **settings: str) -> None:
    for name, value in settings.items():
        if value not in choices:
            raise InvalidValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def distinct(**settings: Sequence[Hashable]) -> None:
    """No setting holds the same value twice."""
    for name, values in settings.items():
        if len(set(values)) < len(values):
            twice = next(value for i, value in enumerate(values) if value in values[:i])
            raise InvalidValueError(f"{name} must differ from each other, got {twice!r} twice")


def not_empty(**settings: Sized) -> None:
    for name, value in settings.items():
        if not len(value):
            raise InvalidValueError(f"{name} must hold at least one, got none")


def not_all_zero(**settings: float) -> None:
    if not any(settings.values()):
        raise InvalidValueError(f"one of {', '.join(settings)} must differ from 0, got only zeros")


def same_length(**settings: Sized) -> None:
    lengths = [len(value) for value in settings.values()]
    if len(set(lengths)) > 1:
        raise InvalidValueError(f"{', '.join(settings)} must be of one length, got {', '.join(map(str, lengths))}")


def _each(
    fits: Callable[[_Number], bool], demand: str, settings: Mapping[str, _Number | Sequence[_Number] | None]
) -> None:
    for name, value in settings.items():
        numbers = value if isinstance(value, Sequence) else () if value is None else (value,)
        if not all(fits(number) for number in numbers):
            raise InvalidValueError(f"{name} {demand}, got {value}")


@cache
def _parse(interval: str) -> tuple[float, float, bool, bool]:
    parts = re.fullmatch(r"([\[(])(\S+), (\S+)([\])])", interval)
    if parts is None:
        raise InvalidValueError(f"an interval is written like [0, 1), got {interval!r}")
    return float(parts[2]), float(parts[3]), parts[1] == "[", parts[4] == "]"
