"""The status of a feed at a moment: its state, and where every frame went."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from pipeline.ring.config import VideoStatus
from pipeline.runtime.threads import ThreadStatus

THREAD_DIED = "the feed's thread died"
FeedState = Literal["connecting", "live", "stalled", "backing off", "paused", "failed"]
FEED_STATES: tuple[FeedState, ...] = ("connecting", "live", "stalled", "backing off", "paused", "failed")


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """since: when the feed came into its state, UTC. frames_per_s: frames received a second, over the last 10 s.
    behind_s: time between the moment that the newest frame shows and its arrival.
    received: frames decoded since the follower began. pending: frames that are in no packet yet.
    kept: keyframes that the models took; waiting: keyframes that wait for them; not_selected: frames that are no
    keyframes; shed: keyframes dropped while they waited. lost: lost frames, by fault.
    `received = pending + not_selected + shed + waiting + kept + sum(lost)`.
    damaged: frames that the decoder could not restore, which are not counted as received.
    restarts: number of restarts, by reason. last_error: the reason of the last one, or the last error.
    unverified: any certificate of the feed's server is accepted (`verify = false`).
    video: what became of its packets; None where none are to be kept.
    masks: number of its privacy masks. With any, its packets are not kept: `video` is encoded again, or None.
    """

    name: str
    uri: str
    state: FeedState
    since: datetime
    frames_per_s: float = 0.0
    behind_s: float | None = None
    received: int = 0
    pending: int = 0
    not_selected: int = 0
    kept: int = 0
    waiting: int = 0
    shed: int = 0
    damaged: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    last_error: str | None = None
    unverified: bool = False
    video: VideoStatus | None = None
    masks: int = 0

    @property
    def masked(self) -> str | None:
        """What its masks mean, as a sentence; None without any."""
        if not self.masks:
            return None
        many = "1 privacy mask is" if self.masks == 1 else f"{self.masks} privacy masks are"
        video = "no video is kept" if self.video is None else "its video is encoded again with them"
        return f"{many} black in all that is kept of it, and {video}"

    def of_thread(self, thread: ThreadStatus, *, what: str = THREAD_DIED) -> "FeedStatus":
        """The status where this thread serves the feed: what a thread that does not run reported last is not true.

        what: the fault."""
        if thread.state not in ("backing off", "failed"):
            return self
        return replace(self, state=thread.state, since=thread.since, last_error=f"{what}: {thread.error}")

    def restarted(self, reason: str, error: str) -> "FeedStatus":
        """The status after a restart by that reason."""
        restarts = dict(Counter(self.restarts) + Counter({reason: 1}))
        return replace(self, restarts=restarts, last_error=f"{reason}: {error}")

    def broken_off(self, reason: str) -> "FeedStatus":
        """The status after a fault by which every frame that the models had not taken is lost; the feed reconnects."""
        gone = self.pending + self.waiting
        return replace(
            self,
            state="connecting",
            pending=0,
            waiting=0,
            lost=dict(Counter(self.lost) + Counter({reason: gone})),
            restarts=dict(Counter(self.restarts) + Counter({reason: 1})),
            last_error=reason,
        )

    def after(self, before: "FeedStatus") -> "FeedStatus":
        """The status with the counts of its predecessor added: an earlier feed of the name, or an earlier actor."""
        return replace(
            self,
            received=before.received + self.received,
            not_selected=before.not_selected + self.not_selected,
            kept=before.kept + self.kept,
            shed=before.shed + self.shed,
            damaged=before.damaged + self.damaged,
            lost=dict(Counter(before.lost) + Counter(self.lost)),
            restarts=dict(Counter(before.restarts) + Counter(self.restarts)),
            last_error=self.last_error or before.last_error,
            video=self.video if self.video is None or before.video is None else self.video.after(before.video),
        )
