"""A writer of a ring that is killed again and again, and one whose disk is full for a while."""

from pathlib import Path

from tests.clips import synthetic
from tests.pipeline.ring.test_full_disk import fill_disk
from tests.pipeline.ring.test_kill import kill_follower


def kill_ring(folder: Path, *, seed: int, rounds: int) -> int:
    """Verifies that each kill loses one fragment at most, and that as many full disks cost what comes meanwhile alone;
    returns how many writers were killed."""
    clip = synthetic(folder / "clip.mp4")
    killed = kill_follower(clip, folder / "rings", seed=seed, kills=rounds)
    for number in range(rounds):
        fill_disk(clip, folder / f"full-{number}", seed=rounds * seed + number)
    return killed
