"""Text that is shown: catches a name that commands a terminal or reorders a line, and JSON that loses one."""

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from schemas.visible_text import visible, visible_json

ANY = st.text(st.characters(codec=None, exclude_categories=()))
BIDI = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}


@given(ANY)
def test_nothing_that_is_shown_controls_a_terminal_or_changes_the_direction(text: str) -> None:
    for shown in (visible(text), visible_json(text)):
        assert all(unicodedata.category(sign) not in ("Cc", "Cs", "Zl", "Zp") for sign in shown)
        assert not BIDI & {unicodedata.bidirectional(sign) for sign in shown}
        shown.encode()  # has no lone surrogate, which no stream could take


@given(ANY)
def test_text_of_several_lines_keeps_its_lines_and_nothing_is_escaped_twice(text: str) -> None:
    shown = visible(text, lines=True)
    assert (shown.count("\n"), shown.count("\t")) == (text.count("\n"), text.count("\t"))
    assert visible(shown, lines=True) == shown


@given(ANY)
def test_json_has_the_text_exactly(text: str) -> None:
    assert json.loads(visible_json({text: [text]})) == {text: [text]}


def test_escapes_are_those_of_python() -> None:
    assert visible("a\x1b]52;c;aGk=\x07\nß\u202e\udce9\x9b") == r"a\x1b]52;c;aGk=\x07\nß\u202e\xe9\x9b"
