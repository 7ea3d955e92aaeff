"""Decodes files in a process that the kernel confines: it has the descriptor of one file, and opens nothing itself."""

import time
from collections.abc import Callable, Iterator
from itertools import takewhile
from multiprocessing.connection import Connection

from operators.readers.copied_clip import copied_clip
from operators.readers.media_file import MediaFile
from operators.readers.picture import read_picture
from operators.readers.probe import probe
from operators.readers.random_access import DecordReader
from operators.readers.video import VideoReader
from pipeline.ingest.packets import FramePacket, PacketHead, Work
from pipeline.reading.addresses import is_remote
from pipeline.reading.keyframe_stream import ReadConfig
from pipeline.reading.read_segment import SegmentReader
from pipeline.reading.reader_requests import (
    PACKET_BYTES,
    PACKET_FRAMES,
    Alive,
    ClipBytes,
    CopyRequest,
    FramesPacket,
    FramesRequest,
    ProbeRequest,
    Request,
    SpanRequest,
    TimedFrames,
    failure_packet,
    location_of,
    refusal,
)
from pipeline.reading.sources import Location
from schemas.errors import DecodeError, RegionLakeError, SourceError
from schemas.file_names import path_of_uri
from schemas.frames import ImageArray, Keyframe
from schemas.sources import SegmentReport


def answer(request: Request, descriptor: int, config: ReadConfig, connection: Connection) -> None:
    """Sends the answer to a request, which ends with None or with an error. descriptor: of the request's file."""
    location = location_of(request)
    file = MediaFile(descriptor, name=_name(location))

    def alive() -> None:
        connection.send(Alive())

    try:
        try:
            if isinstance(request, ProbeRequest):
                connection.send(probe(file, uri=location.uri, on_progress=alive, limits=config.limits))
            elif isinstance(request, FramesRequest):
                for images in _frames(request, file, config, alive=alive):
                    connection.send(FramesPacket(images))
            elif isinstance(request, CopyRequest):
                for content in copied_clip(file, request.span, limits=config.limits):
                    connection.send(ClipBytes(content))
            elif isinstance(request, SpanRequest):
                for frames in _span(request, file, config):
                    connection.send(frames)
            else:
                for packet in _packets(SegmentReader(config), request.work, file, connection):
                    connection.send(packet)
        except MemoryError:
            raise SourceError(
                f"{file.shown} is refused: decoding it takes more memory than read.limits.memory_gib allows "
                f"({config.limits.memory_gib:g} GiB)"
            ) from None
        except RegionLakeError:
            raise
        except Exception as error:  # a damaged file may raise any error of the libraries that decode it
            raise SourceError(f"{file.shown} cannot be read: {type(error).__name__}: {error}") from error
    except RegionLakeError as error:
        failed = refusal(request, error)
        connection.send(failed)
        if failed is error:
            return
    connection.send(None)


def _name(location: Location) -> str:
    return location.uri if is_remote(location.address) else path_of_uri(location.address)


def _packets(reader: SegmentReader, work: Work, file: MediaFile, connection: Connection) -> Iterator[FramePacket]:
    held: list[Keyframe] = []
    held_bytes = number = decoded = 0
    watch = _Stopwatch()

    def on_progress(frames: int) -> None:
        nonlocal decoded
        decoded = frames
        connection.send(Alive())

    def head(end: SegmentReport | None) -> PacketHead:
        return PacketHead(work.segment, number, decoded, end).worked("read", watch.lap())

    try:
        for item in reader(work.segment, file, on_progress=on_progress):
            if isinstance(item, Keyframe):
                if held and (held_bytes + item.image.nbytes > PACKET_BYTES or len(held) == PACKET_FRAMES):
                    yield FramePacket(head(None), tuple(held))
                    watch.lap()  # the parent's time to receive it is not reading time
                    held, held_bytes, number = [], 0, number + 1
                held.append(item)
                held_bytes += item.image.nbytes
            else:
                decoded = item.frames_decoded
                yield FramePacket(head(item), tuple(held))
    except (SourceError, DecodeError) as error:
        yield failure_packet(work, number=number, frames_decoded=decoded, error=str(error))


def _frames(
    request: FramesRequest, file: MediaFile, config: ReadConfig, *, alive: Callable[[], None]
) -> Iterator[tuple[ImageArray, ...]]:
    max_side_px, limits = config.max_side_px, config.limits
    source = probe(file, uri=request.location.uri, on_progress=alive, limits=limits)
    if source.id != request.source_id:
        raise SourceError(
            f"{source.uri} has changed since it was ingested; ingest it again with --replace, or put the old file back"
        )
    if source.kind == "picture":
        yield (read_picture(file, max_side_px=max_side_px, limits=limits),)
        return
    reader = DecordReader(file, source, limits=limits)
    alive()
    frame_bytes = 3 * source.width_px * source.height_px
    size = max(1, min(PACKET_FRAMES, PACKET_BYTES // frame_bytes))
    for start in range(0, len(request.pts), size):
        yield tuple(reader.frames_at(request.pts[start : start + size], max_side_px=max_side_px))


def _span(request: SpanRequest, file: MediaFile, config: ReadConfig) -> Iterator[TimedFrames]:
    source, span = request.source, request.span
    size = max(1, min(PACKET_FRAMES, PACKET_BYTES // (3 * source.width_px * source.height_px)))
    pts: list[int] = []
    images: list[ImageArray] = []
    with VideoReader(file, source, threads=config.decode_threads, limits=config.limits) as reader:
        for frame in takewhile(lambda frame: frame.pts < span.stop, reader.frames(span.start)):
            if frame.pts in span:
                pts.append(frame.pts)
                images.append(frame.image(max_side_px=request.max_side_px))
            if len(pts) == size:
                yield TimedFrames(tuple(pts), tuple(images))
                pts, images = [], []
    if pts:
        yield TimedFrames(tuple(pts), tuple(images))


class _Stopwatch:
    def __init__(self) -> None:
        self._start = time.perf_counter()

    def lap(self) -> float:
        """Seconds since the last lap."""
        now = time.perf_counter()
        lap, self._start = now - self._start, now
        return lap
