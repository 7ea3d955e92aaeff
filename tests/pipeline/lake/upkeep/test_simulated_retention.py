"""Retention beside pins and a clock that jumps, in drawn orders; and whether that finds the faults which it is for."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.lake.writing.upkeep_changes import Removal, UpkeepChanges
from tests.pipeline.lake.upkeep.simulated_retention import LIMITS, OLD, Outcome, prepare, simulate


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("retention"))


def test_whatever_the_order_confirmed_pins_and_what_is_not_too_old_stay(prepared: Path, tmp_path: Path) -> None:
    outcomes = [simulate(prepared, tmp_path, seed) for seed in range(3)]
    assert sum(len(each.pins) for each in outcomes) > 3
    assert {each.jumped for each in outcomes} == {True, False}
    assert any(each.removed for each in outcomes)
    assert all(each.removed <= {old.source.id for old in OLD} for each in outcomes)


def until_found(simulate_one: Callable[[int], Outcome], *, first: int) -> str:
    """The fault that the first of 20 seeds finds."""
    for seed in range(first, first + 20):
        try:
            simulate_one(seed)
        except AssertionError as error:
            return str(error)
    return "nothing was found"


def test_it_finds_pins_that_are_not_read_again_before_the_deletion(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = UpkeepChanges.remove_unless_pinned

    def read_before(changes: UpkeepChanges, names: Sequence[str], choose: Callable[[], Removal]) -> Removal:
        chosen = choose()
        return real(changes, names, lambda: chosen)

    monkeypatch.setattr(UpkeepChanges, "remove_unless_pinned", read_before)
    assert "was confirmed, and only" in until_found(lambda seed: simulate(prepared, tmp_path, seed), first=9)


def test_it_finds_a_clock_that_is_trusted_whatever_it_shows(prepared: Path, tmp_path: Path) -> None:
    trusting = replace(LIMITS, clock_tolerance=timedelta(days=100 * 365))
    found = until_found(lambda seed: simulate(prepared, tmp_path, seed, config=trusting), first=8)
    assert "were removed although they are not too old" in found
