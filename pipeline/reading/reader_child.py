"""The child process of pipeline/reading/reader_process.py, which decodes files and can be killed."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

from operators.readers.picture import read_picture
from operators.readers.probe import probe
from pipeline.ingest.packets import FramePacket, PacketHead, SegmentFailure, Work
from pipeline.reading.child import child_connection
from pipeline.reading.download_cache import local_file
from pipeline.reading.keyframe_stream import ReadConfig
from pipeline.reading.read_segment import SegmentReader
from pipeline.reading.sources import Location
from schemas.errors import DecodeError, RegionLakeError, SourceError
from schemas.frames import ImageArray, Keyframe
from schemas.sources import SegmentReport

PACKET_BYTES = 24 * 2**20  # of pixels, at most, in a packet: about 8 frames of 1280×720
PACKET_FRAMES = 16


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """A request that is answered by a Source."""

    location: Location


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A request that is answered by FramePackets, the last of which has the segment's report or failure."""

    work: Work


@dataclass(frozen=True, slots=True)
class FramesRequest:
    """A request that is answered by FramesPackets: the frames of a source at these PTS, in that order.

    source_id: hash of the bytes to which the PTS belong; a file with other bytes is refused.
    """

    location: Location
    source_id: str
    pts: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class FramesPacket:
    """The next few frames of a FramesRequest: uint8 (H, W, 3) RGB each."""

    images: tuple[ImageArray, ...]


@dataclass(frozen=True, slots=True)
class Alive:
    """Sent while there is no other message, to show that the decoder makes progress."""


def failure_packet(work: Work, *, number: int, frames_decoded: int, error: str) -> FramePacket:
    """The last packet of a segment that cannot be read because of its file."""
    reason = error if error.startswith(work.location.uri) else f"{work.location.uri}: {error}"
    return FramePacket(PacketHead(work.segment, number, frames_decoded, SegmentFailure("quarantined", reason)), ())


def main() -> None:
    """Runs the child."""
    serve(*child_connection())


def serve(connection: Connection, config: ReadConfig) -> None:
    """Answers requests until the parent closes its end; each answer ends with None or with an error."""
    reader = SegmentReader(config)

    def alive() -> None:
        connection.send(Alive())

    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        try:
            if isinstance(request, ProbeRequest):
                with local_file(request.location, on_progress=alive) as path:
                    connection.send(probe(str(path), uri=request.location.uri, on_progress=alive, limits=config.limits))
            elif isinstance(request, FramesRequest):
                for images in _frames(request, config, alive=alive):
                    connection.send(FramesPacket(images))
            else:
                for packet in _packets(reader, request.work, connection):
                    connection.send(packet)
            connection.send(None)
        except RegionLakeError as error:
            connection.send(error)


def _packets(reader: SegmentReader, work: Work, connection: Connection) -> Iterator[FramePacket]:
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
        with local_file(work.location, on_progress=lambda: connection.send(Alive())) as path:
            for item in reader(work.segment, str(path), on_progress=on_progress):
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
    request: FramesRequest, config: ReadConfig, *, alive: Callable[[], None]
) -> Iterator[tuple[ImageArray, ...]]:
    from operators.readers.random_access import DecordReader  # imported here: nothing else needs decord

    with local_file(request.location, on_progress=alive) as path:
        max_side_px, limits = config.max_side_px, config.limits
        source = probe(str(path), uri=request.location.uri, on_progress=alive, limits=limits)
        if source.id != request.source_id:
            raise SourceError(
                f"{source.uri} has changed since it was ingested; ingest it again with --replace, or put the old "
                "file back"
            )
        if source.kind == "picture":
            yield (read_picture(str(path), max_side_px=max_side_px, limits=limits),)
            return
        reader = DecordReader(str(path), source, limits=limits)
        alive()
        frame_bytes = 3 * source.width_px * source.height_px
        size = max(1, min(PACKET_FRAMES, PACKET_BYTES // frame_bytes))
        for start in range(0, len(request.pts), size):
            yield tuple(reader.frames_at(request.pts[start : start + size], max_side_px=max_side_px))


class _Stopwatch:
    def __init__(self) -> None:
        self._start = time.perf_counter()

    def lap(self) -> float:
        """Seconds since the last lap."""
        now = time.perf_counter()
        lap, self._start = now - self._start, now
        return lap
