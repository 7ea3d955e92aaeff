"""The words of the product. Catches private words in what people read, and a check that finds nothing or takes code for
prose."""

from pathlib import Path

import pytest

from tests.words import ROOT, find_words, product, read_rules

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


def test_the_product_has_none_of_these_words() -> None:
    rules = read_rules()
    found = [
        f"{path.relative_to(ROOT)}:{line}: {word} → {rule.instead}"
        for path in product()
        for line, word, rule in find_words(path, rules)
    ]
    assert not found, "\n".join(found)
