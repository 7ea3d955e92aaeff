"""Streams the pictures of a video in the order they are shown, through PyAV with threaded decoding."""

from collections.abc import Generator, Iterator
from types import TracebackType

import av.error
from av.codec.codec import Capabilities

from operators.readers.container import PresentationTimes, open_video
from operators.readers.decoded_frame import DecodedFrame, Pixels
from operators.readers.limits import DEFAULT_LIMITS, ReadLimits
from operators.readers.media_file import Media
from schemas.errors import DecodeError
from schemas.sources import Source


class VideoReader:
    """Reads the frames of one video from any point on; a context manager.

    threads: number of threads of the decoder; with 0, FFmpeg chooses by the number of cores.

    Raises SourceError when the file cannot be opened or exceeds the limits.
    """

    def __init__(self, media: Media, source: Source, *, threads: int = 0, limits: ReadLimits = DEFAULT_LIMITS) -> None:
        self._media = media
        self._source = source
        self._threads = threads
        self._limits = limits
        self._container, self._stream = open_video(media, limits)
        self._stream.codec_context.thread_count = threads
        self._pixels = Pixels(width_px=source.width_px, height_px=source.height_px)
        self._used = False

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._container.close()

    @property
    def decodes_in_threads(self) -> bool:
        """Whether the decoder has threads of its own, which decode further frames while the last one is used."""
        codec = self._stream.codec_context.codec
        return bool(codec.capabilities & (Capabilities.frame_threads | Capabilities.auto_threads))

    def frames(self, start: int) -> Generator[DecodedFrame]:
        """All frames starting with one at or before `start`, with PTS strictly ascending.

        Decoding begins at the last sync point at or before `start`. If decoding cannot start there
        (because frames are damaged or the index is wrong), it begins at an earlier sync point, in the end
        at the beginning of the source. Frames shown before that point, which lack their references, and
        damaged frames at the very beginning of a source are omitted.

        Raises DecodeError at a damaged frame, at a frame without a PTS, or where PTS go backwards.
        """
        for sync in reversed([s for s in self._source.sync_pts if s <= start][1:]):
            frames = self._from_sync(sync)
            first = next(frames, None)
            # h264 with intra refresh shows its first whole picture after the sync point, and signals it
            recovers = self._stream.codec_context.name == "h264"
            if first is not None and (first.pts == sync or (recovers and first.pts <= start)):
                yield first
                yield from frames
                return
        yield from self._from_beginning()

    def _from_sync(self, sync: int) -> Iterator[DecodedFrame]:
        """Frames from `sync` on; none if decoding cannot start there."""
        self._used = True
        started = False
        try:
            self._container.seek(sync, stream=self._stream)
            for frame in self._decode(tolerate_before=sync):
                started = True
                yield frame
        except (DecodeError, av.error.FFmpegError):
            if started:
                raise

    def _from_beginning(self) -> Iterator[DecodedFrame]:
        if self._used:  # seeking to 0 does not reach the first frame in every format; reopening the file does
            self._container.close()
            self._container, self._stream = open_video(self._media, self._limits)
            self._stream.codec_context.thread_count = self._threads
        self._used = True
        yield from self._decode(tolerate_before=self._source.span.start)

    def _decode(self, *, tolerate_before: int) -> Iterator[DecodedFrame]:
        """Frames with a PTS of at least `tolerate_before`; damaged frames before that are skipped."""
        times = PresentationTimes(self._container, self._stream)
        last: int | None = None
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                if packet.is_corrupt and last is not None:
                    raise self._error(packet.pts, last, "the container marks its data as damaged")
                raws = packet.decode()
            except av.error.EOFError:
                return
            except av.error.FFmpegError as error:
                if last is None and isinstance(error, av.error.InvalidDataError):
                    continue
                raise self._error(packet.pts if packet is not None else None, last, error.strerror) from None
            for raw in raws:
                pts = times.of(raw)
                if last is None and (raw.is_corrupt or (pts is not None and pts < tolerate_before)):
                    continue
                if pts is None:
                    raise self._error(None, last, "a frame has no presentation time")
                if raw.is_corrupt:
                    raise self._error(pts, last, "its data is damaged")
                if last is not None and pts <= last:
                    if pts == last:  # never shown, as the frame before has the same time
                        continue
                    raise self._error(pts, last, "presentation times go backwards")
                last = pts
                yield DecodedFrame(pts, raw, self._pixels)

    def _error(self, pts: int | None, last: int | None, reason: str | None) -> DecodeError:
        seconds = self._source.clock.seconds
        where = "somewhere" if pts is None else f"near {seconds(pts):.3f} s (PTS {pts})"
        after = "" if last is None else f"; the last good frame is at {seconds(last):.3f} s (PTS {last})"
        return DecodeError(f"{self._source.uri} cannot be decoded {where}: {reason}{after}")
