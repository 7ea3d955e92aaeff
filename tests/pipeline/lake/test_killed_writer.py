"""A writer killed at any moment: catches lost, doubled or partial rows after the next writer has continued.

`python -m tests.kills writer --folder FOLDER` is the long form.
"""

from pathlib import Path

from tests.kills.writer import kill_writer

ROUNDS = 8


def test_a_lake_whose_writer_is_killed_again_and_again_equals_one_that_was_left_alone(tmp_path: Path) -> None:
    killed = kill_writer(tmp_path, seed=20, rounds=ROUNDS)
    assert killed >= ROUNDS / 2, f"only {killed} of {ROUNDS} were still writing when they were killed"
