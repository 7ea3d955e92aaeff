"""Reads one segment: its keyframes, and what the frames between them tell about shots."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

from operators.keyframes.selector import KeyframeConfig, KeyframeSelector
from operators.motion.background import BackgroundConfig, WindowBackground
from operators.readers.picture import read_picture
from operators.readers.read_ahead import read_ahead
from operators.readers.video import DecodedFrame, VideoReader
from operators.shots.detector import ShotConfig, ShotDetector, shot_detector
from schemas.errors import DecodeError
from schemas.frames import ImageArray, Keyframe, KeyframeReason
from schemas.shots import CutEvent
from schemas.sources import Segment, SegmentReport, Source

_PROGRESS_FRAMES = 32
_AHEAD_FRAMES = 4


@dataclass(frozen=True, slots=True)
class ReadConfig:
    """What is found while a source is decoded, once.

    background: None leaves out the motion of keyframes.
    max_side_px: keyframes with a longer side are scaled down to it; None keeps their size.
    decode_threads: of one reader; 0 lets FFmpeg choose by the number of cores. It changes no result.
    """

    shots: ShotConfig = field(default_factory=ShotConfig)
    keyframes: KeyframeConfig = field(default_factory=KeyframeConfig)
    background: BackgroundConfig | None = field(default_factory=BackgroundConfig)
    max_side_px: int | None = 1920
    decode_threads: int = 0


class SegmentReader:
    """A segment and the file it lies in go in; its keyframes in PTS order and a report come out.

    Only what has a PTS in the segment's span comes out, and it does not depend on where segments
    begin and end: decoding starts far enough before the span, and goes on far enough after it, that
    each frame sees all it depends on.

    Memory: the keyframes of the last background.ahead_s seconds are held, in the decoder's format.
    """

    def __init__(self, config: ReadConfig) -> None:
        self._config = config

    def __call__(
        self, segment: Segment, path: str, *, on_progress: Callable[[int], None] | None = None
    ) -> Iterator[Keyframe | SegmentReport]:
        """Keyframes, then one SegmentReport.

        path: where the bytes of the segment's source can be read on this machine.
        on_progress: told the number of frames decoded so far, those around the span included, every 32.

        Raises SourceError when the file cannot be opened, DecodeError where it is damaged, or ends
        before the segment does.
        """
        if segment.source.kind == "picture":
            yield Keyframe(0, read_picture(path, max_side_px=self._config.max_side_px), None, "picture")
            yield SegmentReport(1, 0, 0, 0, ())
            return
        with VideoReader(path, segment.source, threads=self._config.decode_threads) as reader:
            yield from self._read_video(segment, reader, on_progress or (lambda _: None))

    def _read_video(
        self, segment: Segment, reader: VideoReader, on_progress: Callable[[int], None]
    ) -> Iterator[Keyframe | SegmentReport]:
        source, span = segment.source, segment.span
        pre_roll = self._pre_roll(source)
        while True:
            start = max(source.span.start, span.start - pre_roll)
            reading = _Reading(self._config, segment, on_progress, from_beginning=start == source.span.start)
            frames = reader.frames(start)
            if not reader.decodes_in_threads:
                frames = read_ahead(frames, size=_AHEAD_FRAMES)
            try:
                with closing(frames):
                    yield from reading.keyframes(frames)
            except _StartedTooLateError:  # raised before the first keyframe
                pre_roll *= 2
            else:
                yield reading.report()
                return

    def _pre_roll(self, source: Source) -> int:
        """Ticks before the span that are normally enough; while reading it shows whether they were."""
        config = self._config
        shots = shot_detector(config.shots, source, first_of_source=False)
        frames_s = (shots.warm_up_frames + shots.delay_frames + 2) / source.frame_rate
        chosen_s = config.keyframes.longest_interval_s + config.keyframes.settle_s
        background_s = 0.0 if config.background is None else config.background.back_s
        return source.clock.ticks(max(chosen_s, background_s) + frames_s)


class _StartedTooLateError(Exception):
    """The window around the segment's first frame reaches back before the first frame decoded."""


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


class _Reading:
    """One pass over the frames of a segment and around it."""

    def __init__(
        self, config: ReadConfig, segment: Segment, on_progress: Callable[[int], None], *, from_beginning: bool
    ) -> None:
        self._config = config
        self._source = segment.source
        self._span = segment.span
        self._on_progress = on_progress
        self._from_beginning = from_beginning
        self._detector: ShotDetector | None = None  # made at the first frame
        self._background = None if config.background is None else WindowBackground(config.background)
        self._selector: KeyframeSelector | None = None  # made with it
        self._first_s = 0.0  # time of the first frame decoded
        self._waiting: deque[_Seen] = deque()  # frames at which an event may still be found
        self._events: deque[CutEvent] = deque()  # events at frames that wait
        self._held: deque[_Held] = deque()
        self._frames = 0
        self._near_duplicates = 0
        self._first_pts: int | None = None
        self._last_pts: int | None = None
        self._cut_events: list[CutEvent] = []
        self._passed_stop = False

    def keyframes(self, frames: Iterator[DecodedFrame]) -> Iterator[Keyframe]:
        """Keyframes of the span; stops as soon as the last of them is complete."""
        decoded = 0
        last: DecodedFrame | None = None
        for frame in frames:
            last = frame
            detector = self._detector or self._begin(frame)
            small = frame.small()
            self._events.extend(detector(frame.pts, small))
            self._waiting.append(_Seen(frame, small, detector.events_known))
            decoded += 1
            if decoded % _PROGRESS_FRAMES == 0:
                self._on_progress(decoded)
            if len(self._waiting) > detector.delay_frames:
                yield from self._choose(self._waiting.popleft())
                if self._passed_stop and not self._held:
                    break
        else:
            if self._detector is not None:
                self._events.extend(self._detector.flush())
            while self._waiting:
                yield from self._choose(self._waiting.popleft())
            self._require_end(last)
        while self._held:
            yield self._complete(self._held.popleft())
        self._on_progress(decoded)

    def report(self) -> SegmentReport:
        return SegmentReport(
            frames_decoded=self._frames,
            near_duplicates=self._near_duplicates,
            first_pts=self._first_pts,
            last_pts=self._last_pts,
            cut_events=tuple(self._cut_events),
        )

    def _begin(self, frame: DecodedFrame) -> ShotDetector:
        self._from_beginning = self._from_beginning or frame.pts <= self._source.span.start
        self._first_s = self._source.clock.seconds(frame.pts)
        self._selector = KeyframeSelector(
            self._config.keyframes, self._source.clock, first_of_source=self._from_beginning
        )
        self._detector = shot_detector(self._config.shots, self._source, first_of_source=self._from_beginning)
        return self._detector

    def _choose(self, seen: _Seen) -> Iterator[Keyframe]:
        """Takes a frame of which all events are known; yields the keyframes that it completes."""
        assert self._selector is not None
        pts = seen.frame.pts
        time_s = self._source.clock.seconds(pts)
        in_span = pts in self._span
        if in_span and self._first_pts is None:
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
        self._frames += 1
        self._first_pts = pts if self._first_pts is None else self._first_pts
        self._last_pts = pts
        self._near_duplicates += choice.near_duplicate
        self._cut_events += events
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
        """Raises _StartedTooLateError unless enough was decoded before the span's first frame."""
        assert self._selector is not None
        back_s = 0.0 if self._background is None else self._background.back_s
        settled = self._selector.settled and seen.events_known
        if not self._from_beginning and not (settled and self._first_s <= time_s - back_s):
            raise _StartedTooLateError

    def _require_end(self, last: DecodedFrame | None) -> None:
        """Raises DecodeError when the frames end before the segment does: the file is cut off."""
        clock = self._source.clock
        frame_ticks = clock.ticks(1 / self._source.frame_rate)
        end = self._source.span.start if last is None else last.pts + max(last.duration, frame_ticks)
        if end + 2 * frame_ticks < self._span.stop:
            raise DecodeError(
                f"{self._source.uri} breaks off at {clock.seconds(end):.3f} s (PTS {end}) of "
                f"{clock.seconds(self._source.span.stop):.3f} s that it announces"
            )

    @property
    def _ahead_s(self) -> float:
        return 0.0 if self._background is None else self._background.ahead_s
