"""How feeds are followed: none of it changes what a frame's rows hold."""

from dataclasses import dataclass, field

from operators.readers.live_stream import StreamConfig
from pipeline.runtime.backoff import BackoffConfig
from schemas.errors import PlanError


@dataclass(frozen=True, slots=True)
class LiveConfig:
    """segment_s: media time after which the keyframes of a feed are handed on together.
    quiet_s: the same of a feed that gives no keyframe.
    recording_s: a feed is kept in recordings of this length, each a source of the lake with shots and tracks.
    stalled_s: without a frame for so long, the process that decodes is killed, and another one connects.
    buffer_keyframes: of a feed, that wait for a model; beyond, the least telling are shed.
    stale_s: so far behind the newest keyframe of its feed, one that waits is shed: what is late makes others late.
    group_keyframes, group_s: a model is given as many keyframes at once, of whatever feeds, as it was seen to work off
        in group_s, and no more than group_keyframes.
    commit_s: rows wait at most so long for others to be committed with.
    """

    stream: StreamConfig = field(default_factory=StreamConfig)
    backoff: BackoffConfig = field(default_factory=BackoffConfig)
    segment_s: float = 0.5
    quiet_s: float = 60.0
    recording_s: float = 600.0
    stalled_s: float = 10.0
    buffer_keyframes: int = 2
    stale_s: float = 1.0
    group_keyframes: int = 16
    group_s: float = 0.5
    commit_s: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.segment_s <= self.quiet_s <= self.recording_s:
            raise PlanError(f"need 0 < segment_s <= quiet_s <= recording_s, got {self}")
        if min(self.stalled_s, self.stale_s, self.group_s) <= 0 or self.commit_s < 0:
            raise PlanError(f"stalled_s, stale_s and group_s must be positive and commit_s not negative, got {self}")
        if self.buffer_keyframes < 1 or self.group_keyframes < 1:
            raise PlanError(f"buffer_keyframes and group_keyframes must be at least 1, got {self}")
