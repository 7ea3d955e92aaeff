"""Catches pauses that never end, or never grow."""

import pytest

from pipeline.runtime.backoff import Backoff, BackoffConfig


def test_pauses_grow_to_the_longest_and_begin_again_after_a_time_that_was_good() -> None:
    waits = Backoff(BackoffConfig(first_s=1.0, longest_s=8.0, settled_s=20.0), choose=lambda: 1.0)
    assert [waits(lasted_s=1.0) for _ in range(5)] == [1.0, 2.0, 4.0, 8.0, 8.0]
    assert waits(lasted_s=30.0) == 1.0
    spread = Backoff(BackoffConfig(first_s=1.0, longest_s=8.0), choose=lambda: 0.0)
    assert spread(lasted_s=0.0) == pytest.approx(0.5)
