"""Settings of how feeds are followed; none of them changes the rows of a frame."""

from dataclasses import dataclass, field

from operators.readers.live_stream import StreamConfig
from pipeline.runtime.backoff import BackoffConfig
from schemas import require


@dataclass(frozen=True, slots=True)
class LiveConfig:
    """segment_s: media time after which a feed emits its keyframes as a segment; quiet_s: the same without a keyframe.
    recording_s: length of the recordings of a feed, each a source of the lake with shots and tracks.
    stalled_s: time without a frame after which the decoder is killed, and another one connects.
    buffer_keyframes: the most keyframes of a feed that wait for a model; beyond, the least informative are shed.
    stale_s: a waiting keyframe that is further behind the newest of its feed is shed, because late ones delay others.
    group_keyframes, group_s: a model gets as many keyframes at once, of any feeds, as it has been processing in
        group_s, and at most group_keyframes.
    commit_s: the longest time that rows wait to be committed together with others.
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
