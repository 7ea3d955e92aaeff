"""Determines what a file is: a video or a picture, its clock, its span, and where decoding can start."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import PurePath
from typing import TypeVar

import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from operators.readers.container import PresentationTimes, decoding_reason, open_video
from operators.readers.limits import DEFAULT_LIMITS, ReadLimits
from operators.readers.media_file import Media, MediaFile, opened
from operators.readers.orientation import Orientation
from operators.readers.picture import picture_header
from schemas.clock import Clock, Span
from schemas.errors import SourceError
from schemas.sources import Source

_SYNC_STEP_S = 1  # closer sync points are omitted: every segment carries the whole list
_BLOCK_BYTES = 1 << 20
_ITEMS_PER_BEAT = 32  # packets or frames, the same as when a segment is read

_Item = TypeVar("_Item")


def probe(
    media: Media,
    *,
    uri: str,
    start_time: datetime | None = None,
    on_progress: Callable[[], None] = lambda: None,
    limits: ReadLimits = DEFAULT_LIMITS,
) -> Source:
    """Describes a file. Reads the whole file once, and decodes one frame.

    uri: the name under which the file is known.
    start_time: UTC of the first frame; by default, the container's own recording time is used.
    on_progress: called after every MiB read and every 32 packets or frames: a large file on a slow disk takes minutes.

    A video that breaks off keeps the span that it announces. Its last segment then fails with the reason, and the
    segments before it are read.

    Raises SourceError with the reason when the file is neither a readable video nor a readable picture, or exceeds the
    limits.
    """
    with opened(media) as file:
        return _probe(file, uri, start_time, on_progress, limits)


def _probe(
    file: MediaFile, uri: str, start_time: datetime | None, on_progress: Callable[[], None], limits: ReadLimits
) -> Source:
    picture = picture_header(file, limits)
    if picture is not None:
        codec, width_px, height_px = picture
        return Source(
            uri=uri,
            id=_content_id(file, on_progress),
            kind="picture",
            clock=Clock(Fraction(1), start_time),
            span=Span(0, 1),
            width_px=width_px,
            height_px=height_px,
            sync_pts=(0,),
            frame_rate=0.0,
            codec=codec,
        )
    container, stream = open_video(file, limits)
    with container:
        return _probe_video(file, uri, start_time, container, stream, on_progress, limits)


def _probe_video(
    file: MediaFile,
    uri: str,
    start_time: datetime | None,
    container: InputContainer,
    stream: VideoStream,
    on_progress: Callable[[], None],
    limits: ReadLimits,
) -> Source:
    path = file.shown
    time_base = stream.time_base
    if time_base is None:
        raise SourceError(f"{path} has no time base")
    times = PresentationTimes(container, stream)
    rate = stream.guessed_rate or stream.average_rate
    first = _first_frame(path, container, stream, on_progress, limits)
    limits.require_size(path, first.width, first.height)
    first_pts = times.of(first)
    if first_pts is None:
        raise SourceError(
            f"{path} has no timestamps (a bare {stream.codec_context.name} stream?); wrap it: "
            f"ffmpeg -r RATE -i {PurePath(path).name} -c copy out.mp4"
        )
    if times.counted:
        scan = _scan_frames(file, on_progress, limits)
    else:
        scan = _scan_packets(file, first_pts, time_base, rate, on_progress, limits)
    stop = max(scan.stop, _announced_stop(file, container, stream, scan))
    for pts in (first_pts, stop):
        if not Clock(time_base).holds(pts):
            raise SourceError(f"{path} is damaged: its PTS {pts} is {float(pts * time_base):.3g} s, which is no time")
    limits.require_length(path, scan.shown, (stop - first_pts) * time_base)
    orientation = Orientation.of(first)
    width_px, height_px = orientation.size(first.width, first.height)
    begun = start_time or _creation_time(container, stream)
    offset = Clock(time_base, datetime.fromtimestamp(0, UTC)).utc(first_pts)
    assert offset is not None
    return Source(
        uri=uri,
        id=_content_id(file, on_progress),
        kind="video",
        clock=Clock(time_base, None if begun is None else begun - (offset - datetime.fromtimestamp(0, UTC))),
        span=Span(first_pts, stop),
        width_px=width_px,
        height_px=height_px,
        sync_pts=scan.sync,
        frame_rate=float(rate) if rate else float(scan.shown / ((scan.stop - first_pts) * time_base)),
        codec=stream.codec_context.name,
    )


def _first_frame(
    path: str, container: InputContainer, stream: VideoStream, on_progress: Callable[[], None], limits: ReadLimits
) -> VideoFrame:
    """The first undamaged frame. Recordings that begin between sync points start with damaged frames."""
    reason = "it holds no frame"
    try:
        for packet in _with_progress(container.demux(stream), on_progress):
            try:
                for frame in packet.decode():
                    if not frame.is_corrupt:
                        return frame
                    reason = "every frame is damaged"
            except av.error.InvalidDataError as error:
                reason = decoding_reason(error, limits)
    except av.error.FFmpegError as error:
        reason = decoding_reason(error, limits)
    raise SourceError(f"{path}: no frame of its video can be decoded: {reason}")


@dataclass(frozen=True, slots=True)
class _Scan:
    """Sync points, end and number of frames of a video, and the end of all its streams, from a scan of the file."""

    sync: tuple[int, ...]
    stop: int
    shown: int
    end_s: Fraction


def _scan_packets(
    file: MediaFile,
    first_pts: int,
    time_base: Fraction,
    rate: Fraction | None,
    on_progress: Callable[[], None],
    limits: ReadLimits,
) -> _Scan:
    """Scans the packets without decoding them."""
    container, stream = open_video(file, limits)
    step = int(_SYNC_STEP_S / time_base)
    sync = [first_pts]
    last, duration, shown, end_s = first_pts, 0, 0, Fraction(0)
    with container:
        for packet in _with_progress(_packets(container), on_progress):
            if packet.pts is not None:
                end_s = max(end_s, (packet.pts + (packet.duration or 0)) * packet.time_base)
            if packet.stream_index != stream.index or packet.is_discard:
                continue
            shown += 1
            limits.require_frames(file.shown, shown)
            if packet.pts is None or packet.pts < first_pts:
                continue
            if packet.is_keyframe and not packet.is_corrupt and packet.pts >= sync[-1] + step:
                sync.append(packet.pts)
            if packet.pts >= last:
                last, duration = packet.pts, packet.duration or 0
    if duration <= 0:
        duration = max(1, round(1 / rate / time_base)) if rate else 1
    return _Scan(tuple(sync), last + duration, shown, end_s)


def _packets(container: InputContainer) -> Iterator["Packet[Stream]"]:
    """Every packet with data; stops where the file breaks off."""
    try:
        for packet in container.demux():
            if packet.size:
                yield packet
    except av.error.FFmpegError:
        return


def _scan_frames(file: MediaFile, on_progress: Callable[[], None], limits: ReadLimits) -> _Scan:
    """Scans a video by decoding it, if its packets have no presentation times; only its beginning is a sync point."""
    container, stream = open_video(file, limits)
    times = PresentationTimes(container, stream)
    shown: list[int] = []
    with container:
        try:
            for frame in _with_progress(container.decode(stream), on_progress):
                time = times.of(frame)
                if time is not None and not frame.is_corrupt:
                    shown.append(time)
                    limits.require_frames(file.shown, len(shown))
        except av.error.FFmpegError:
            pass  # occurs again, and is reported with its position, when the segment is read
    stop = max(shown) + 1
    return _Scan((min(shown),), stop, len(shown), stop * (stream.time_base or Fraction(0)))


def _with_progress(items: Iterable[_Item], on_progress: Callable[[], None]) -> Iterator[_Item]:
    for number, item in enumerate(items, 1):
        if number % _ITEMS_PER_BEAT == 0:
            on_progress()
        yield item


def _announced_stop(file: MediaFile, container: InputContainer, stream: VideoStream, scan: _Scan) -> int:
    """The PTS at which a file that breaks off would have ended; 0 if nothing is missing or the end is unknown."""
    start = stream.start_time or 0
    match container.format.name.split(",")[0]:
        case "mov":
            size = file.size_bytes
            broken = any(entry.pos + entry.size > size for entry in stream.index_entries)
            return start + (stream.duration or 0) if broken else 0
        case "avi":  # one tick per frame, including frames dropped by the camera
            return start + stream.frames
        case "matroska":  # its header gives the end of all streams, to a millisecond
            end_s = Fraction(container.duration or 0, 1_000_000)
            return int(end_s / stream.time_base) if stream.time_base and end_s > scan.end_s + 1 else 0
        case _:
            return 0


def _creation_time(container: InputContainer, stream: VideoStream) -> datetime | None:
    """The recording time in the container; None if there is none, or if it comes from a clock that was never set."""
    metadata = {k.lower(): v for k, v in (container.metadata | stream.metadata).items()}
    text = metadata.get("com.apple.quicktime.creationdate") or metadata.get("creation_time")
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return time.astimezone(UTC) if time.year >= 1990 else None


def _content_id(file: MediaFile, on_progress: Callable[[], None]) -> str:
    """A hash of all bytes, 32 hexadecimal digits: the same file in another folder is the same source."""
    content = hashlib.blake2b(digest_size=16)
    at = 0
    while block := os.pread(file.descriptor, _BLOCK_BYTES, at):
        content.update(block)
        at += len(block)
        on_progress()
    return content.hexdigest()
