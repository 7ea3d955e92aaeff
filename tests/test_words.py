"""The check of words: catches one that finds nothing, or that takes code for prose."""

from pathlib import Path

import pytest

from tests.words import find_words, read_rules

SOURCE = '''"""What a feed told."""

told = {"told": 1}  # names and keys are no prose


def f(told: int) -> None:
    """Frames that are handed
    on, never `told`."""
    # pieces, and a reader tells people
    raise ValueError(f"{told} frames were taken off")
'''


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "a.py",
            SOURCE,
            [(1, "told"), (7, "handed on"), (9, "pieces"), (10, "taken off")],
        ),
        ("a.md", "What it told.\n\n```\ntold\n```\nundecided\n", [(1, "told"), (6, "undecided")]),
        ("b.py", '"""By the models."""\n# Read by the models.\n', [(1, "By the models.")]),
    ],
)
def test_words_are_found_with_their_lines(
    name: str, text: str, expected: list[tuple[int, str]], tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    found = [(line, word) for line, word, _ in find_words(tmp_path / name, read_rules())]
    assert sorted(found) == expected
