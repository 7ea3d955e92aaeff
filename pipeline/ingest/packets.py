"""What passes between the stages: a few keyframes of one segment, in order, and the segment's report at the end."""

from dataclasses import dataclass, replace
from typing import Literal

import pyarrow as pa

from pipeline.reading.sources import Location
from schemas.frames import Keyframe
from schemas.regions import Proposals
from schemas.sources import Segment, SegmentReport

StageName = Literal["probe", "read", "propose", "embed", "track", "commit"]


@dataclass(frozen=True, slots=True)
class Work:
    """A segment to read, and where its file is."""

    segment: Segment
    location: Location


@dataclass(frozen=True, slots=True)
class SegmentFailure:
    """Why a segment could not be read. state: "quarantined" blames the file, "failed" the machine."""

    state: Literal["failed", "quarantined"]
    error: str


@dataclass(frozen=True, slots=True)
class PacketHead:
    """Which part of which segment a packet is.

    number: counts the packets of a segment from 0; a packet that comes twice (a retried worker) has the same number.
    frames_decoded: of the segment so far, for progress.
    end: the segment's report or failure, on its last packet only.
    busy: seconds that each stage worked on this packet.
    """

    segment: Segment
    number: int
    frames_decoded: int
    end: SegmentReport | SegmentFailure | None
    busy: tuple[tuple[StageName, float], ...] = ()

    def worked(self, stage: StageName, seconds: float) -> "PacketHead":
        """The same with the time that one more stage took."""
        return replace(self, busy=(*self.busy, (stage, seconds)))


@dataclass(frozen=True, slots=True, eq=False)
class FramePacket:
    """From the reader: keyframes of one segment."""

    head: PacketHead
    keyframes: tuple[Keyframe, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ProposalPacket:
    """From the proposer: the same with the regions of each keyframe."""

    head: PacketHead
    keyframes: tuple[Keyframe, ...]
    proposals: tuple[Proposals, ...]


@dataclass(frozen=True, slots=True, eq=False)
class RowPacket:
    """From the embedder: finished rows; patches is None when the plan does not keep them."""

    head: PacketHead
    frames: pa.Table
    regions: pa.Table
    patches: pa.Table | None
