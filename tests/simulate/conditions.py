"""Evaluates the conditions in SQL that the lake's code writes, over rows in memory.

Only what pipeline/lake writes is understood: comparisons with literals, IN, IS NULL, AND, OR, parentheses, TRUE, FALSE.
"""

import operator
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

Row = Mapping[str, Any]
Condition = Callable[[Row], bool]
_TOKEN = re.compile(r"\s*(?:('(?:[^']|'')*')|(-?\d+)|([A-Za-z_]\w*)|(<=|>=|<>|!=|[=<>(),]))")
_COMPARE = {
    "=": operator.eq,
    "<>": operator.ne,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


@lru_cache(maxsize=4096)
def condition(text: str | None) -> Condition:
    """Whether a row matches. Raises ValueError for SQL that is not understood."""
    return (lambda _: True) if text is None else _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[str] = []
        at = 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None:
                raise ValueError(f"not understood at {at}: {text}")
            self._tokens.append(found[0].strip())
            at = found.end()
        self._at = 0

    def parse(self) -> Condition:
        found = self._any()
        if self._at != len(self._tokens):
            raise ValueError(f"not understood from {self._tokens[self._at]!r} on: {self._text}")
        return found

    def _any(self) -> Condition:
        parts = [self._all()]
        while self._take("OR"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else lambda row: any(part(row) for part in parts)

    def _all(self) -> Condition:
        parts = [self._one()]
        while self._take("AND"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda row: all(part(row) for part in parts)

    def _one(self) -> Condition:
        if self._take("("):
            found = self._any()
            self._expect(")")
            return found
        for word, value in (("TRUE", True), ("FALSE", False)):
            if self._take(word):
                return lambda _, value=value: value  # type: ignore[misc]
        column = self._next()
        if self._take("IS"):
            wants_null = not self._take("NOT")
            self._expect("NULL")
            return lambda row: (row[column] is None) is wants_null
        if self._take("IN"):
            self._expect("(")
            values = [self._literal()]
            while self._take(","):
                values.append(self._literal())
            self._expect(")")
            held = frozenset(values)
            return lambda row: row[column] in held
        compare = _COMPARE.get(self._next())
        if compare is None:
            raise ValueError(f"not understood: {self._text}")
        value = self._literal()
        return lambda row: row[column] is not None and bool(compare(row[column], value))

    def _literal(self) -> str | int:
        token = self._next()
        return token[1:-1].replace("''", "'") if token.startswith("'") else int(token)

    def _take(self, word: str) -> bool:
        taken = self._at < len(self._tokens) and self._tokens[self._at].upper() == word
        self._at += taken
        return taken

    def _expect(self, word: str) -> None:
        if not self._take(word):
            raise ValueError(f"expected {word} at token {self._at}: {self._text}")

    def _next(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]
