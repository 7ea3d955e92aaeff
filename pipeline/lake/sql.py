"""Builds conditions in SQL for LanceDB's `where`; values are quoted here and nowhere else.

>>> all_of("state = 'done'", is_in("source", ["it's.mp4", "b.mp4"]), within("pts", Span(0, 90)))
"state = 'done' AND source IN ('it''s.mp4', 'b.mp4') AND pts >= 0 AND pts < 90"
"""

from collections.abc import Iterable
from datetime import datetime

from schemas.clock import Span, in_utc


def equals(column: str, value: str) -> str:
    return f"{column} = {_quoted(value)}"


def is_in(column: str, values: Iterable[str]) -> str:
    """A membership test; FALSE for no values, as SQL has no empty list."""
    quoted = ", ".join(map(_quoted, values))
    return f"{column} IN ({quoted})" if quoted else "FALSE"


def within(column: str, span: Span) -> str:
    return f"{column} >= {span.start} AND {column} < {span.stop}"


def in_time(since: datetime | float | None, until: datetime | float | None) -> list[str]:
    """Conditions on frames or regions, half-open: of their UTC or, for a number, of their seconds within the source.

    A time without a zone is in UTC.
    """
    bounds = [(sign, moment) for sign, moment in ((">=", since), ("<", until)) if moment is not None]
    return [
        f"time {sign} timestamp '{in_utc(moment):%Y-%m-%d %H:%M:%S.%f}'"
        if isinstance(moment, datetime)
        else f"pts_s {sign} {float(moment)!r}"
        for sign, moment in bounds
    ]


def all_of(*conditions: str) -> str:
    """A conjunction. conditions: comparisons, or results of functions of this module."""
    return " AND ".join(conditions)


def any_of(conditions: Iterable[str]) -> str:
    joined = " OR ".join(f"({condition})" for condition in conditions)
    return f"({joined})" if joined else "FALSE"


def _quoted(value: str) -> str:
    # a quote is doubled; no other character is special within quotes, neither a backslash nor a NUL
    return "'" + value.replace("'", "''") + "'"
