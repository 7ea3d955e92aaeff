"""The document of threats. Catches a protection whose test was renamed or removed, whose end nobody would notice."""

import ast
import re

import pytest

from tests.conftest import ROOT

TEXT = (ROOT / "deploy" / "docs" / "threats.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")] for line in TEXT.splitlines() if re.match(r"\| [A-Z]", line)
]


def functions(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:50])
def test_each_threat_has_a_protection_with_a_test(row: list[str]) -> None:
    threat, done, named = row
    assert threat
    assert done
    file, _, function = named.rstrip("| ").strip("`").partition("::")
    assert functions(file), named
    assert not function or function in functions(file), named


def test_every_table_is_read() -> None:
    assert len(ROWS) == TEXT.count("\n| ") - 2 * TEXT.count("| threat |")
