"""How feeds are followed: none of it changes what a frame's rows hold."""

from dataclasses import dataclass, field

from operators.readers.live_stream import StreamConfig
from pipeline.runtime.backoff import BackoffConfig
from schemas import require


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
        require.above(0, segment_s=self.segment_s)
        require.in_order("<=", segment_s=self.segment_s, quiet_s=self.quiet_s, recording_s=self.recording_s)
        require.above(0, stalled_s=self.stalled_s, stale_s=self.stale_s, group_s=self.group_s)
        require.at_least(0, commit_s=self.commit_s)
        require.at_least(1, buffer_keyframes=self.buffer_keyframes, group_keyframes=self.group_keyframes)
