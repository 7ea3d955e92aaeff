"""Where every frame went that a feed gave while faults came: as the lake has it, beside what the followers told."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pipeline.lake.lake import Lake
from pipeline.live.status.follow_status import FollowStatus
from schemas.sources import feed_name
from tests.live.follower import validate_rows

_UNTOLD_FRAMES = 50  # of a feed, between the last word of a follower and its being killed: two seconds at most


class Account:
    """Over all the followers there were. killed: how many of them were."""

    def __init__(self) -> None:
        self.killed = 0
        self._told: Counter[str] = Counter()  # frames received, by feed

    def close(self, status: FollowStatus | None) -> None:
        """Adds what a follower that is gone said last."""
        for feed in () if status is None else status.feeds:
            self._told[feed.name] += feed.received

    def report(self, lake: Path) -> Iterator[str]:
        """A table of what the ledger says.

        Raises AssertionError where that is not as many frames as the followers said that they received, or a row is in
        the lake twice. Of killed ones the ledger may know better, by what they committed after their last word.
        """
        validate_rows(lake)
        rows = Lake.open(str(lake)).read("segments").to_pylist()
        yield f"{'feed':<9}{'told':>7}{'received':>9}{'keyframes':>10}{'not selected':>13}{'shed':>6}{'lost':>6}"
        for name, told in sorted(self._told.items()):
            own = [row for row in rows if feed_name(row["source"]) == name]
            counts = [sum(row[c] for row in own) for c in ("frames_decoded", "keyframes", "shed", "lost")]
            decoded, keyframes, shed, lost = counts
            received = decoded + lost
            yield f"{name:<9}{told:>7}{received:>9}{keyframes:>10}{decoded - keyframes - shed:>13}{shed:>6}{lost:>6}"
            assert abs(received - told) <= _UNTOLD_FRAMES * self.killed, (name, received, told, self.killed)
        lost_to: Counter[str] = Counter()
        for row in rows:
            lost_to[row["error"]] += row["lost"]
        yield from (f"lost to: {reason}: {frames} frames" for reason, frames in lost_to.most_common() if frames)
