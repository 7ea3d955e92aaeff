"""Selects keyframes from decoded frames, and emits each as soon as all frames that it depends on have been added."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from operators.keyframes.selector import KeyframeConfig, KeyframeSelector
from operators.motion.background import BackgroundConfig, WindowBackground
from operators.readers.decoded_frame import DecodedFrame
from operators.readers.limits import ReadLimits
from operators.runtime.settings import consent, no_rows
from operators.shots.config import ShotConfig
from schemas.clock import Span
from schemas.frames import ImageArray, Keyframe, KeyframeReason
from schemas.shots import CutEvent
from schemas.sources import SegmentReport, Source


@dataclass(frozen=True, slots=True)
class ReadConfig:
    """How keyframes, shots and motion are found while a source is decoded.

    background: None computes no motion of keyframes.
    max_side_px: keyframes with a longer side are scaled down to it; None keeps their size.
    decode_threads: of one reader; 0 lets FFmpeg choose by the number of cores. It does not change any result.
    limits: what a file may be at most, and what decoding it may use. No lake can raise them.
    """

    shots: ShotConfig = field(default_factory=ShotConfig)
    keyframes: KeyframeConfig = field(default_factory=KeyframeConfig)
    background: BackgroundConfig | None = field(default_factory=BackgroundConfig)
    max_side_px: int | None = 1920
    decode_threads: int = field(default=0, metadata=no_rows())
    limits: ReadLimits = field(default_factory=ReadLimits, metadata=consent())


class StartedTooLateError(Exception):
    """The background of the span's first frame needs frames before the first one that was added."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A decoded frame on its way through the detectors."""

    frame: DecodedFrame
    small: ImageArray
    events_known: bool


@dataclass(frozen=True, slots=True)
class _Held:
    """A keyframe whose background is not complete yet."""

    frame: DecodedFrame
    small: ImageArray
    time_s: float
    reason: KeyframeReason


@dataclass(frozen=True, slots=True)
class _Decided:
    """What was decided about a frame, for the report."""

    pts: int
    near_duplicate: bool
    events: tuple[CutEvent, ...]


class KeyframeStream:
    """Keyframes of a span of a source, from its frames and those around it, in PTS order.

    The keyframes do not depend on where the span begins and ends, provided that the frames begin early enough
    before it; otherwise `add` raises StartedTooLateError before the first keyframe.

    first: the first frame that will be added; from_beginning: whether it is the source's first.
    Memory: the keyframes of the last background.ahead_s seconds are held, in the decoder's format.
    """

    def __init__(
        self, config: ReadConfig, source: Source, span: Span, *, first: DecodedFrame, from_beginning: bool
    ) -> None:
        self._config = config
        self._source = source
        self._span = span
        self._from_beginning = from_beginning
        self._first_s = source.clock.seconds(first.pts)
        self._selector = KeyframeSelector(config.keyframes, source.clock, first_of_source=from_beginning)
        self._detector = config.shots.build(source, first_of_source=from_beginning)
        self._background = None if config.background is None else WindowBackground(config.background)
        self._waiting: deque[_Seen] = deque()  # frames whose events are not all known yet
        self._events: deque[CutEvent] = deque()  # events of waiting frames
        self._held: deque[_Held] = deque()
        self._passed_stop = False
        self._last_pts: int | None = None  # of the span
        self._decided: deque[_Decided] = deque()  # frames of the span that are not in a report yet

    @property
    def complete(self) -> bool:
        """Whether every keyframe of the span has been emitted."""
        return self._passed_stop and not self._held

    @property
    def settled_until(self) -> int | None:
        """PTS before which every frame of the span has been dropped or emitted as a keyframe; None at first."""
        if self._held:
            return self._held[0].frame.pts
        return self._last_pts + 1 if self._last_pts is not None else None

    def add(self, frame: DecodedFrame) -> Iterator[Keyframe]:
        """The keyframes that this frame completes."""
        small = frame.small()
        self._events.extend(self._detector(frame.pts, small))
        self._waiting.append(_Seen(frame, small, self._detector.events_known))
        if len(self._waiting) > self._detector.delay_frames:
            yield from self._choose(self._waiting.popleft())

    def finish(self) -> Iterator[Keyframe]:
        """The remaining keyframes, after the source's last frame was added."""
        self._events.extend(self._detector.flush())
        while self._waiting:
            yield from self._choose(self._waiting.popleft())
        while self._held:
            yield self._complete(self._held.popleft())

    def take_report(self, stop: int) -> SegmentReport:
        """The report of the frames before the PTS `stop` that were decided on since the last report."""
        decided: list[_Decided] = []
        while self._decided and self._decided[0].pts < stop:
            decided.append(self._decided.popleft())
        return SegmentReport(
            frames_decoded=len(decided),
            near_duplicates=sum(each.near_duplicate for each in decided),
            first_pts=decided[0].pts if decided else None,
            last_pts=decided[-1].pts if decided else None,
            cut_events=tuple(event for each in decided for event in each.events),
        )

    def _choose(self, seen: _Seen) -> Iterator[Keyframe]:
        """Decides on a frame whose events are all known; yields the keyframes that it completes."""
        pts = seen.frame.pts
        time_s = self._source.clock.seconds(pts)
        in_span = pts in self._span
        if in_span and self._last_pts is None:
            self._require_window(seen, time_s)
        while self._held and self._held[0].time_s + self._ahead_s < time_s:
            yield self._complete(self._held.popleft())
        if self._background is not None:
            first = self._from_beginning and time_s == self._first_s
            self._background.add(pts, time_s, seen.small, first_of_source=first)
        events = self._events_at(pts)
        choice = self._selector(pts, seen.small, events, events_known=seen.events_known)
        self._passed_stop = pts >= self._span.stop
        if not in_span:
            return
        self._last_pts = pts
        self._decided.append(_Decided(pts, choice.near_duplicate, tuple(events)))
        if choice.reason is not None:
            self._held.append(_Held(seen.frame, seen.small, time_s, choice.reason))

    def _events_at(self, pts: int) -> list[CutEvent]:
        events: list[CutEvent] = []
        while self._events and self._events[0].pts <= pts:
            events.append(self._events.popleft())
        return events

    def _complete(self, held: _Held) -> Keyframe:
        motion = None if self._background is None else self._background.motion(held.small, held.time_s)
        image = held.frame.image(max_side_px=self._config.max_side_px)
        return Keyframe(held.frame.pts, image, motion, held.reason)

    def _require_window(self, seen: _Seen, time_s: float) -> None:
        """Raises StartedTooLateError unless enough frames were decoded before the span's first frame."""
        back_s = 0.0 if self._background is None else self._background.back_s
        settled = self._selector.settled and seen.events_known
        if not self._from_beginning and not (settled and self._first_s <= time_s - back_s):
            raise StartedTooLateError

    @property
    def _ahead_s(self) -> float:
        return 0.0 if self._background is None else self._background.ahead_s
