"""Finds out what a file is: a video or a picture, its clock, its span, and where decoding can start."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from operators.readers.container import PresentationTimes, open_video, require_file
from operators.readers.orientation import Orientation
from operators.readers.picture import picture_header
from schemas.clock import Clock, Span
from schemas.errors import SourceError
from schemas.sources import Source

_SYNC_STEP_S = 1  # closer sync points are thinned: every segment carries the whole list
_BLOCK_BYTES = 1 << 20
_ITEMS_PER_BEAT = 32  # packets or frames, as often as when a segment is read

_Item = TypeVar("_Item")


def probe(
    path: str, *, uri: str, start_time: datetime | None = None, on_progress: Callable[[], None] = lambda: None
) -> Source:
    """What the file at `path` is. Reads all of it once, and decodes one frame.

    uri: the name under which it is known.
    start_time: UTC of the first frame; without it, the container's own recording time counts.
    on_progress: called after every MiB read and every 32 packets or frames: a large file on a slow disk takes minutes.

    A video that breaks off keeps the span it announces, so that reading its last segment fails with
    the reason while those before it are read.

    Raises SourceError, with the reason, when it is neither a video nor a picture that can be read.
    """
    require_file(path)
    picture = picture_header(path)
    if picture is not None:
        codec, width_px, height_px = picture
        return Source(
            uri=uri,
            id=_content_id(path, on_progress),
            kind="picture",
            clock=Clock(Fraction(1), start_time),
            span=Span(0, 1),
            width_px=width_px,
            height_px=height_px,
            sync_pts=(0,),
            frame_rate=0.0,
            codec=codec,
        )
    container, stream = open_video(path)
    with container:
        return _probe_video(path, uri, start_time, container, stream, on_progress)


def _probe_video(
    path: str,
    uri: str,
    start_time: datetime | None,
    container: InputContainer,
    stream: VideoStream,
    on_progress: Callable[[], None],
) -> Source:
    time_base = stream.time_base
    if time_base is None:
        raise SourceError(f"{path} has no time base")
    times = PresentationTimes(container, stream)
    rate = stream.guessed_rate or stream.average_rate
    first = _first_frame(path, container, stream, on_progress)
    first_pts = times.of(first)
    if first_pts is None:
        raise SourceError(
            f"{path} has no timestamps (a bare {stream.codec_context.name} stream?); wrap it: "
            f"ffmpeg -r RATE -i {Path(path).name} -c copy out.mp4"
        )
    if times.counted:
        scan = _scan_frames(path, on_progress)
    else:
        scan = _scan_packets(path, first_pts, time_base, rate, on_progress)
    stop = max(scan.stop, _announced_stop(path, container, stream, scan))
    orientation = Orientation.of(first)
    width_px, height_px = orientation.size(first.width, first.height)
    begun = start_time or _creation_time(container, stream)
    offset = Clock(time_base, datetime.fromtimestamp(0, UTC)).utc(first_pts)
    assert offset is not None
    return Source(
        uri=uri,
        id=_content_id(path, on_progress),
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
    path: str, container: InputContainer, stream: VideoStream, on_progress: Callable[[], None]
) -> VideoFrame:
    """The first undamaged frame; recordings that begin between sync points start with damaged ones."""
    reason = "it holds no frame"
    try:
        for packet in _told(container.demux(stream), on_progress):
            try:
                for frame in packet.decode():
                    if not frame.is_corrupt:
                        return frame
                    reason = "every frame is damaged"
            except av.error.InvalidDataError as error:
                reason = error.strerror or "invalid data"
    except av.error.FFmpegError as error:
        reason = error.strerror or "invalid data"
    raise SourceError(f"{path}: no frame of its video can be decoded: {reason}")


@dataclass(frozen=True, slots=True)
class _Scan:
    """What passing over a whole video found: sync points, end, frames shown, and the end of all its streams."""

    sync: tuple[int, ...]
    stop: int
    shown: int
    end_s: Fraction


def _scan_packets(
    path: str, first_pts: int, time_base: Fraction, rate: Fraction | None, on_progress: Callable[[], None]
) -> _Scan:
    """From the packets alone, undecoded."""
    container, stream = open_video(path)
    step = int(_SYNC_STEP_S / time_base)
    sync = [first_pts]
    last, duration, shown, end_s = first_pts, 0, 0, Fraction(0)
    with container:
        for packet in _told(_packets(container), on_progress):
            if packet.pts is not None:
                end_s = max(end_s, (packet.pts + (packet.duration or 0)) * packet.time_base)
            if packet.stream_index != stream.index or packet.is_discard:
                continue
            shown += 1
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


def _scan_frames(path: str, on_progress: Callable[[], None]) -> _Scan:
    """By decoding, where packets do not tell when they are shown; only the beginning is a sync point."""
    container, stream = open_video(path)
    times = PresentationTimes(container, stream)
    shown: list[int] = []
    with container:
        try:
            for frame in _told(container.decode(stream), on_progress):
                time = times.of(frame)
                if time is not None and not frame.is_corrupt:
                    shown.append(time)
        except av.error.FFmpegError:
            pass  # met again, and reported with its place, when the segment is read
    stop = max(shown) + 1
    return _Scan((min(shown),), stop, len(shown), stop * (stream.time_base or Fraction(0)))


def _told(items: Iterable[_Item], on_progress: Callable[[], None]) -> Iterator[_Item]:
    for number, item in enumerate(items, 1):
        if number % _ITEMS_PER_BEAT == 0:
            on_progress()
        yield item


def _announced_stop(path: str, container: InputContainer, stream: VideoStream, scan: _Scan) -> int:
    """Where a file that breaks off would have ended; 0 where nothing is missing, or nothing tells."""
    start = stream.start_time or 0
    match container.format.name.split(",")[0]:
        case "mov":
            size = Path(path).stat().st_size
            broken = any(entry.pos + entry.size > size for entry in stream.index_entries)
            return start + (stream.duration or 0) if broken else 0
        case "avi":  # one tick a frame, those dropped by the camera included
            return start + stream.frames
        case "matroska":  # its header tells the end of all streams, to a millisecond
            end_s = Fraction(container.duration or 0, 1_000_000)
            return int(end_s / stream.time_base) if stream.time_base and end_s > scan.end_s + 1 else 0
        case _:
            return 0


def _creation_time(container: InputContainer, stream: VideoStream) -> datetime | None:
    """When the container says it was recorded; times of clocks that were never set are not believed."""
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


def _content_id(path: str, on_progress: Callable[[], None]) -> str:
    """32 hexadecimal digits of all bytes: the same file at another place is the same source."""
    content = hashlib.blake2b(digest_size=16)
    with Path(path).open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            content.update(block)
            on_progress()
    return content.hexdigest()
