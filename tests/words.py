"""Finds words that tests/words.toml replaces, in docstrings, comments, messages and documents.

`python -m tests.words [FOLDER …]` prints each as `file:line: word → suggestion`, and how often each occurs.
"""

import ast
import io
import re
import sys
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
RULES = Path(__file__).with_suffix(".toml")
PRODUCT = ("schemas", "operators", "pipeline", "deploy", ".github", "README.md", "CHANGELOG.md")


@dataclass(frozen=True, slots=True)
class Rule:
    """A word that is replaced, its replacement, and where it is allowed."""

    pattern: re.Pattern[str]
    instead: str
    start: bool = False
    allow: tuple[re.Pattern[str], ...] = ()
    files: tuple[str, ...] = ()

    def found(self, text: str) -> Iterator[tuple[int, str]]:
        """Offsets of the word in the text, and how it is written there."""
        matches = list(self.pattern.finditer(text))
        right = [match.span() for phrase in self.allow if matches for match in phrase.finditer(text)]
        for match in matches:
            inside = any(first <= match.start() and match.end() <= last for first, last in right)
            if not inside and not (self.start and text[: match.start()].strip()):
                yield match.start(), " ".join(match.group().split())


def read_rules(path: Path = RULES) -> tuple[Rule, ...]:
    def compiled(words: str) -> re.Pattern[str]:
        spaced = words.replace(" ", r"[\s#]+")
        return re.compile(rf"(?<!\w)(?:{spaced})(?!\w)", re.IGNORECASE)

    return tuple(
        Rule(
            compiled(row["not"]),
            row["but"],
            row.get("start", False),
            tuple(compiled(phrase) for phrase in row.get("allow", ())),
            tuple(row.get("files", ())),
        )
        for row in tomllib.loads(path.read_text())["word"]
    )


def texts_of_python(source: str) -> Iterator[tuple[int, str]]:
    """Docstrings, messages and comments with their first lines; comments on consecutive lines are one text."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value
    lines: list[str] = []
    first = last = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row = token.start[0]
            if lines and row != last + 1:
                yield first, "\n".join(lines)
                lines = []
            first = first if lines else row
            lines.append(token.string.lstrip("#"))
            last = row
    if lines:
        yield first, "\n".join(lines)


def texts_of_markdown(source: str) -> Iterator[tuple[int, str]]:
    """The whole text, with empty lines in place of blocks of code."""
    yield (
        1,
        re.sub(r"^```.*?^```", lambda block: "\n" * block.group().count("\n"), source, flags=re.MULTILINE | re.DOTALL),
    )


def find_words(path: Path, rules: Iterable[Rule]) -> Iterator[tuple[int, str, Rule]]:
    """Yields line, word and rule of everything that the rules find in a file; names in `code` do not count."""
    texts = texts_of_python if path.suffix == ".py" else texts_of_markdown
    rules = [rule for rule in rules if not str(path).endswith(rule.files or ("\0",))]
    for line, raw in texts(path.read_text()):
        text = re.sub(r"`[^`\n]*`", lambda code: "_" * len(code.group()), raw)
        for rule in rules:
            for offset, word in rule.found(text):
                yield line + text.count("\n", 0, offset), word, rule


def product(under: Iterable[str] = PRODUCT) -> Iterator[Path]:
    """Yields the files that the words are checked in, in order."""
    for name in under:
        path = ROOT / name
        yield from [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.suffix in (".py", ".md"))


def main(under: list[str]) -> None:
    rules = read_rules()
    counts: Counter[str] = Counter()
    for path in product(under or PRODUCT):
        for line, word, rule in sorted(find_words(path, rules), key=lambda found: found[0]):
            print(f"{path.relative_to(ROOT)}:{line}: {word} → {rule.instead}")
            counts[rule.instead] += 1
    for instead, count in counts.most_common():
        print(f"{count:5} → {instead}")
    print(f"{sum(counts.values()):5} in all")


if __name__ == "__main__":
    main(sys.argv[1:])
