"""Catches a damaged or hostile file that ends its reader, takes its memory, or has another file opened."""

from pathlib import Path

from tests.fuzz.corpus import small_corpus
from tests.fuzz.fuzz import LIMITS, fuzz


def test_fifty_mutations_end_in_rows_or_a_reason_in_one_child(tmp_path: Path) -> None:
    """The long form is `python -m tests.fuzz`."""
    private = tmp_path / "private.ts"
    outcome = fuzz(small_corpus(tmp_path, private=private), tmp_path, private=private, seeds=range(50), within_s=600)
    assert sum(outcome.counts.values()) == 50
    assert outcome.died == []
    assert set(outcome.counts) == {"read", "refused", "quarantined"}
    assert outcome.children == 1
    assert outcome.most_mib < 300 + LIMITS.memory_gib * 1024
    assert not outcome.opened
