"""Packets of a live stream as they are handed from the process that demuxes to the one that keeps them."""

from dataclasses import dataclass
from fractions import Fraction

VIDEO, SOUND = 1, 2  # tracks of the file


@dataclass(frozen=True, slots=True)
class StreamPacket:
    """A compressed picture, or some sound. pts, dts, duration: in ticks of the track. is_sync: decoding can start with
    it. data: as an MP4 file holds it."""

    pts: int
    dts: int
    duration: int
    is_sync: bool
    data: bytes
    track: int = VIDEO


@dataclass(frozen=True, slots=True)
class RunBegins:
    """A run of packets whose DTS ascend begins; a stream that continues has one.

    run: its number in this process. codec, pixels: FFmpeg's names of the codec and of the format of its pixels.
    time_base: seconds per tick of the video. header: the boxes `ftyp` and `moov` of an MP4 file with fragments, in the
    same ticks. sound_base: seconds per tick of the sound; None without sound. silent: why the stream's sound is not
    there, where it is to be kept.
    """

    run: int
    codec: str
    pixels: str
    time_base: Fraction
    header: bytes
    sound_base: Fraction | None = None
    silent: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RunPackets:
    """The next packets of a run. dropped: packets since the last message that have no time, or one that went back."""

    run: int
    packets: tuple[StreamPacket, ...]
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class NotKept:
    """No packet of the stream comes. reason: why not."""

    reason: str


TapMessage = RunBegins | RunPackets | NotKept
