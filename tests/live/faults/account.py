"""What happened to every frame of each feed: the figures of the lake and those that the followers reported."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pipeline.lake.lake import Lake
from pipeline.live.status.follow_status import FollowStatus
from schemas.sources import feed_name
from tests.live.follower import validate_rows

_UNREPORTED_FRAMES = 50  # of a feed, between the last status of a follower and its kill: at most two seconds


class Account:
    """The sums over all followers. killed: how many of them were killed."""

    def __init__(self) -> None:
        self.killed = 0
        self._reported: Counter[str] = Counter()  # frames received, by feed

    def close(self, status: FollowStatus | None) -> None:
        """Adds the last status of a follower that has ended."""
        for feed in () if status is None else status.feeds:
            self._reported[feed.name] += feed.received

    def report(self, lake: Path) -> Iterator[str]:
        """Yields a table of the figures of the ledger.

        Raises AssertionError if their sum differs from the frames that the followers reported as received, or if a row
        is in the lake twice. Killed followers may have committed frames after their last status.
        """
        validate_rows(lake)
        rows = Lake.open(str(lake)).read("segments").to_pylist()
        yield f"{'feed':<9}{'reported':>9}{'received':>9}{'keyframes':>10}{'not selected':>13}{'shed':>6}{'lost':>6}"
        for name, reported in sorted(self._reported.items()):
            own = [row for row in rows if feed_name(row["source"]) == name]
            counts = [sum(row[c] for row in own) for c in ("frames_decoded", "keyframes", "shed", "lost")]
            decoded, keyframes, shed, lost = counts
            received = decoded + lost
            not_selected = decoded - keyframes - shed
            yield f"{name:<9}{reported:>9}{received:>9}{keyframes:>10}{not_selected:>13}{shed:>6}{lost:>6}"
            assert abs(received - reported) <= _UNREPORTED_FRAMES * self.killed, (name, received, reported, self.killed)
        lost_to: Counter[str] = Counter()
        for row in rows:
            lost_to[row["error"]] += row["lost"]
        yield from (f"lost to: {reason}: {frames} frames" for reason, frames in lost_to.most_common() if frames)
