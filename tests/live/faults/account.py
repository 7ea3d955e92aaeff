"""Where every frame went that a feed gave while faults came: as the followers told, and as the lake has it."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pipeline.lake.lake import Lake
from pipeline.live.status.follow_status import FollowStatus
from schemas.sources import feed_name
from tests.live.follower import require_sound

_HELD_FRAMES = 300  # of a feed that a follower has in its hands, at 10 to 25 frames a second


class Account:
    """Over all the followers there were. killed: how many of them were."""

    def __init__(self) -> None:
        self.killed = 0
        self._received: Counter[str] = Counter()  # by feed
        self._lost: Counter[str] = Counter()  # by feed
        self._lost_to: Counter[str] = Counter()  # by reason

    def close(self, status: FollowStatus | None) -> None:
        """Adds what a follower that is gone said last."""
        for feed in () if status is None else status.feeds:
            self._received[feed.name] += feed.received
            self._lost[feed.name] += sum(feed.lost.values())
            self._lost_to.update(feed.lost)

    def report(self, lake: Path) -> Iterator[str]:
        """A table. Raises AssertionError where a frame is in none of its columns, or a row in the lake twice.

        Keyframes, not selected and shed are counted in the lake; what was received and lost is as the followers told.
        What a killed follower had not committed, and what came in the second before, is known as the difference alone.
        """
        require_sound(lake)
        rows = Lake.open(str(lake)).read("segments").to_pylist()
        yield f"{'feed':<9}{'received':>9}{'keyframes':>10}{'not selected':>13}{'shed':>6}{'lost':>6}{'by kills':>9}"
        for name, received in sorted(self._received.items()):
            own = [row for row in rows if feed_name(row["source"]) == name]
            decoded, keyframes, shed = (sum(row[c] for row in own) for c in ("frames_decoded", "keyframes", "shed"))
            killed = received - decoded - self._lost[name]
            yield (
                f"{name:<9}{received:>9}{keyframes:>10}{decoded - keyframes - shed:>13}{shed:>6}{self._lost[name]:>6}"
                f"{killed:>9}"
            )
            most = _HELD_FRAMES * self.killed
            assert -most <= killed <= most, (name, killed, most)
        yield from (f"lost to: {reason}: {frames} frames" for reason, frames in self._lost_to.most_common())
