"""Reads one segment: its keyframes, and the cut events from which shots are computed."""

from collections.abc import Callable, Iterator
from contextlib import closing

from operators.readers.decoded_frame import DecodedFrame
from operators.readers.media_file import Media
from operators.readers.picture import read_picture
from operators.readers.read_ahead import read_ahead
from operators.readers.video import VideoReader
from pipeline.reading.keyframe_stream import KeyframeStream, ReadConfig, StartedTooLateError
from schemas.errors import DecodeError
from schemas.frames import Keyframe
from schemas.sources import Segment, SegmentReport, Source

_PROGRESS_FRAMES = 32
_AHEAD_FRAMES = 4


class SegmentReader:
    """Reads the keyframes of a segment from its file, in PTS order, and a report.

    The output contains only frames with a PTS in the segment's span, and does not depend on where segments begin and
    end: decoding starts early enough before the span, and continues long enough after it, that all frames on which a
    keyframe depends are decoded.
    """

    def __init__(self, config: ReadConfig) -> None:
        self._config = config

    def __call__(
        self, segment: Segment, media: Media, *, on_progress: Callable[[int], None] | None = None
    ) -> Iterator[Keyframe | SegmentReport]:
        """Keyframes, then one SegmentReport.

        media: the file of the segment's source on this machine.
        on_progress: called after every 32 frames with the number decoded so far, including those around the span.

        Raises SourceError when the file cannot be opened, DecodeError where it is damaged, or ends
        before the segment does.
        """
        if segment.source.kind == "picture":
            yield Keyframe(
                0,
                read_picture(media, max_side_px=self._config.max_side_px, limits=self._config.limits),
                None,
                "picture",
            )
            yield SegmentReport(1, 0, 0, 0, ())
            return
        with VideoReader(
            media, segment.source, threads=self._config.decode_threads, limits=self._config.limits
        ) as reader:
            yield from self._read_video(segment, reader, on_progress or (lambda _: None))

    def _read_video(
        self, segment: Segment, reader: VideoReader, on_progress: Callable[[int], None]
    ) -> Iterator[Keyframe | SegmentReport]:
        source, span = segment.source, segment.span
        pre_roll = self._pre_roll(source)
        while True:
            start = max(source.span.start, span.start - pre_roll)
            frames = reader.frames(start)
            if not reader.decodes_in_threads:
                frames = read_ahead(frames, size=_AHEAD_FRAMES)
            try:
                with closing(frames):
                    yield from self._read_frames(segment, frames, on_progress, begun=start == source.span.start)
            except StartedTooLateError:  # raised before the first keyframe
                pre_roll *= 2
            else:
                return

    def _read_frames(
        self, segment: Segment, frames: Iterator[DecodedFrame], on_progress: Callable[[int], None], *, begun: bool
    ) -> Iterator[Keyframe | SegmentReport]:
        """Yields the span's keyframes and its report; stops decoding once the last keyframe is complete.

        begun: whether the first of the frames is the source's first.
        """
        source = segment.source
        stream: KeyframeStream | None = None
        last: DecodedFrame | None = None
        decoded = 0
        for frame in frames:
            if stream is None:
                begun = begun or frame.pts <= source.span.start
                stream = KeyframeStream(self._config, source, segment.span, first=frame, from_beginning=begun)
            last = frame
            decoded += 1
            yield from stream.add(frame)
            if decoded % _PROGRESS_FRAMES == 0:
                on_progress(decoded)
            if stream.complete:
                break
        else:
            if stream is not None:
                yield from stream.finish()
            _require_end(segment, last)
        on_progress(decoded)
        yield SegmentReport(0, 0, None, None, ()) if stream is None else stream.take_report(segment.span.stop)

    def _pre_roll(self, source: Source) -> int:
        """Ticks before the span that are normally enough; if not, reading raises StartedTooLateError."""
        config = self._config
        shots = config.shots.build(source, first_of_source=False)
        frames_s = (shots.warm_up_frames + shots.delay_frames + 2) / source.frame_rate
        chosen_s = config.keyframes.longest_interval_s + config.keyframes.settle_s
        background_s = 0.0 if config.background is None else config.background.back_s
        return source.clock.ticks(max(chosen_s, background_s) + frames_s)


def _require_end(segment: Segment, last: DecodedFrame | None) -> None:
    """Raises DecodeError when the frames end before the segment does: the file is cut off."""
    source, clock = segment.source, segment.source.clock
    frame_ticks = clock.ticks(1 / source.frame_rate)
    end = source.span.start if last is None else last.pts + max(last.duration, frame_ticks)
    if end + 2 * frame_ticks < segment.span.stop:
        raise DecodeError(
            f"{source.uri} breaks off at {clock.seconds(end):.3f} s (PTS {end}) of "
            f"{clock.seconds(source.span.stop):.3f} s that its header announces"
        )
