"""What a process that reads files is asked, and its answers."""

from dataclasses import dataclass

from pipeline.ingest.packets import FramePacket, PacketHead, SegmentFailure, Work
from pipeline.reading.sources import Location
from schemas.clock import Span
from schemas.errors import RegionLakeError
from schemas.frames import ImageArray
from schemas.sources import Source

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
class SpanRequest:
    """A request that is answered by TimedFrames: every frame of `source` with a PTS in the span.

    max_side_px: scales down frames with a longer side; None keeps their size.
    """

    location: Location
    source: Source
    span: Span
    max_side_px: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TimedFrames:
    """The next few frames of a SpanRequest: their PTS, and uint8 (H, W, 3) RGB each."""

    pts: tuple[int, ...]
    images: tuple[ImageArray, ...]


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """A request that is answered by ClipBytes: an MP4 file with the frames of the span, not encoded again."""

    location: Location
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class ClipBytes:
    """The next bytes of a CopyRequest."""

    content: bytes


@dataclass(frozen=True, slots=True)
class Alive:
    """Sent while there is no other message, to show that the decoder makes progress."""


def failure_packet(work: Work, *, number: int, frames_decoded: int, error: str) -> FramePacket:
    """The last packet of a segment that cannot be read because of its file."""
    reason = error if error.startswith(work.location.uri) else f"{work.location.uri}: {error}"
    return FramePacket(PacketHead(work.segment, number, frames_decoded, SegmentFailure("quarantined", reason)), ())


Request = ProbeRequest | ReadRequest | FramesRequest | SpanRequest | CopyRequest


def location_of(request: Request) -> Location:
    return request.work.location if isinstance(request, ReadRequest) else request.location


def refusal(request: Request, error: RegionLakeError) -> FramePacket | RegionLakeError:
    """The answer to a request that failed: of a segment its last packet, of others the error."""
    if isinstance(request, ReadRequest):
        return failure_packet(request.work, number=0, frames_decoded=0, error=str(error))
    return error
