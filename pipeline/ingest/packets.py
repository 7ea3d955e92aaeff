"""Packets that pass between the stages: a few keyframes of one segment, in order; the last packet has its report."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from pipeline.reading.sources import Location
from schemas.frames import Keyframe
from schemas.regions import Proposals
from schemas.sources import Segment, SegmentReport
from schemas.vectors import FeatureMap

if TYPE_CHECKING:
    import pyarrow as pa  # starts a thread, which the sandbox of a feed's child would not bind

StageName = Literal["probe", "read", "propose", "embed", "track", "commit"]


@dataclass(frozen=True, slots=True)
class Work:
    """A segment to read, and the location of its file."""

    segment: Segment
    location: Location


@dataclass(frozen=True, slots=True)
class SegmentFailure:
    """Why a segment could not be read. state: "quarantined" blames the file, "failed" the machine."""

    state: Literal["failed", "quarantined"]
    error: str


@dataclass(frozen=True, slots=True)
class PacketHead:
    """Identifies a packet within its segment.

    number: counts the packets of a segment from 0; a packet that arrives twice (from a retried worker) has the same.
    frames_decoded: of the segment so far, for progress.
    end: the segment's report or failure, in its last packet only.
    busy: seconds that each stage worked on this packet.
    """

    segment: Segment
    number: int
    frames_decoded: int
    end: SegmentReport | SegmentFailure | None
    busy: tuple[tuple[StageName, float], ...] = ()

    def worked(self, stage: StageName, seconds: float) -> "PacketHead":
        """The same head with the time of one more stage."""
        return replace(self, busy=(*self.busy, (stage, seconds)))


@dataclass(frozen=True, slots=True, eq=False)
class FramePacket:
    """The reader's output: keyframes of one segment."""

    head: PacketHead
    keyframes: tuple[Keyframe, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ProposalPacket:
    """The proposer's output: keyframes with the regions of each.

    maps: the feature maps of the keyframes, if regions were found in them.
    """

    head: PacketHead
    keyframes: tuple[Keyframe, ...]
    proposals: tuple[Proposals, ...]
    maps: tuple[FeatureMap, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RowPacket:
    """The embedder's output: finished rows; patches is None if the plan stores none."""

    head: PacketHead
    frames: "pa.Table"
    regions: "pa.Table"
    patches: "pa.Table | None"
