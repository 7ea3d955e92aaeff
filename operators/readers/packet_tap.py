"""Copies the packets of a live stream while it is demuxed, in the form in which an MP4 file holds them.

It runs where the stream is demuxed. Whoever receives its messages can write an MP4 file without parsing what the sender
of the stream has made: the header comes from FFmpeg's muxer here, and a packet is bytes with times.
"""

import io
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import av
import av.error
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.stream import VideoStream

from operators.readers.sound_track import SoundTrack, sound_of
from operators.readers.stream_packet import NotKept, RunBegins, RunPackets, StreamPacket, TapMessage

_BATCH_S = 0.25  # a message for each packet would wake its receiver 25 times a second
_BATCH_BYTES = 1 << 20
_BACK_S = 1.0  # as in LiveStream: times that go back by less are damage, by more a new beginning
_AHEAD_S = 3600.0  # a new beginning too: a fragment counts its times in 32 bits
_MOST_UNDATED = 64
_REMEMBERED = 512  # packets whose run is known: more than a decoder delays frames
_START_CODE = re.compile(b"\0\0\1")
_OF_NAL_UNITS = ("h264", "hevc")
_ENCODES = {"libx264": "h264"}  # an encoder is called otherwise than what it makes


@dataclass(frozen=True, slots=True)
class _Undated:
    """A packet whose DTS FFmpeg does not know, and perhaps not its PTS: RTSP reports none for its first one."""

    pts: int | None
    duration: int
    is_sync: bool
    data: bytes


class PacketTap:
    """Call it with every packet of the video, and of the sound; it sends TapMessages, some four a second.

    sound: the stream of sound to keep beside the video; None keeps none.
    Whatever is wrong with a stream ends its tap, with the reason, and not the decoding of the stream.
    """

    def __init__(self, send: Callable[[TapMessage], None]) -> None:
        self._send = send
        self.sound: AudioStream | None = None
        self._track: SoundTrack | None = None
        self._begun: RunBegins | None = None
        self._refused = self._prefixed = self._renewed = False
        self._waiting: list[StreamPacket] = []
        self._bytes = self._dropped = 0
        self._sent_s = time.monotonic()
        self._last_dts: int | None = None
        self._undated: list[_Undated] = []  # the first ones
        self._recent: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)  # PTS and run

    def __call__(self, packet: "Packet[VideoStream] | Packet[AudioStream]") -> None:
        if self._refused or not packet.size:
            return
        try:
            if isinstance(packet.stream, AudioStream):
                self._add_sound(packet)
            else:
                self._add(packet)
        except OSError:  # nobody receives its messages any more
            raise
        except Exception as error:  # a stream may cause any error of the libraries
            self._refuse(f"{type(error).__name__}: {error}")

    def _add_sound(self, packet: "Packet[AudioStream]") -> None:
        if self._track is not None and self._begun is not None and packet.stream.index == self._track.index:
            one = self._track.packet(packet)
            if one is not None:
                self._wait(one)

    def _add(self, packet: "Packet[VideoStream]") -> None:
        pts, dts, duration = packet.pts, packet.dts, packet.duration or 0
        if pts is not None and dts is not None:
            one = StreamPacket(pts, dts, duration, packet.is_keyframe, bytes(packet))
            if self._begun is None:
                self._begin(packet.stream, run=0)
                for each in _dated(self._undated, one):
                    self._take(each, packet.stream)
                self._undated.clear()
            self._take(one, packet.stream)
        elif self._begun is None:
            self._undated.append(_Undated(pts, duration, packet.is_keyframe, bytes(packet)))
            if len(self._undated) > _MOST_UNDATED:
                self._refuse("its packets have no times")
        else:
            self._dropped += 1

    def _take(self, packet: StreamPacket, stream: VideoStream) -> None:
        """Takes a packet of the run that has begun, or begins the next."""
        if self._begun is None:
            return
        if self._renewed:
            self._renewed = False
            self._begin(stream, run=self._begun.run + 1)
            if self._begun is None:
                return
        elif self._last_dts is not None:
            moved_s = (packet.dts - self._last_dts) * self._begun.time_base
            if -_BACK_S < moved_s <= 0:
                self._dropped += 1
                return
            if not 0 < moved_s <= _AHEAD_S:
                self.flush()
                self._begin(stream, run=self._begun.run + 1)
                if self._begun is None:
                    return
        self._last_dts = packet.dts
        self._recent.append((packet.pts, self._begun.run))
        self._wait(packet if self._prefixed else replace(packet, data=_with_lengths(packet.data)))

    def _wait(self, packet: StreamPacket) -> None:
        self._waiting.append(packet)
        self._bytes += len(packet.data)
        if self._bytes >= _BATCH_BYTES or time.monotonic() - self._sent_s >= _BATCH_S:
            self.flush()

    def renew(self) -> None:
        """The next packet of the video begins another run: it is made by another encoder."""
        self.flush()
        self._renewed = self._begun is not None

    def run_of(self, pts: int) -> int | None:
        """The run of the newest packet with this PTS, by default the current one; None before there is any."""
        now = None if self._begun is None else self._begun.run
        return next((run for known, run in reversed(self._recent) if known == pts), now)

    def flush(self) -> None:
        """Sends the packets that wait."""
        if self._begun is not None and (self._waiting or self._dropped):
            self._send(RunPackets(self._begun.run, tuple(self._waiting), self._dropped))
        self._waiting, self._bytes, self._dropped = [], 0, 0
        self._sent_s = time.monotonic()

    def _begin(self, stream: VideoStream, *, run: int) -> None:
        codec = stream.codec_context
        name = _ENCODES.get(codec.name, codec.name)
        extradata = bytes(codec.extradata or b"")
        base = stream.time_base
        try:
            if base is None or base.numerator != 1:
                raise ValueError(f"its time base is {base}")
            if name in _OF_NAL_UNITS and len(extradata) < 7:
                raise ValueError("its parameter sets are not known")
            self._track, silent = sound_of(self.sound)
            header, sound_base = _header(stream, base, self._track)
        except (av.error.FFmpegError, ValueError) as error:
            reason = (isinstance(error, av.error.FFmpegError) and error.strerror) or str(error)
            self._refuse(f"an MP4 file cannot hold this {name}: {reason}")
            return
        self._prefixed = name not in _OF_NAL_UNITS or extradata[0] == 1  # else Annex B: start codes
        self._begun = RunBegins(run, name, codec.pix_fmt or "", base, header, sound_base, silent)
        self._send(self._begun)

    def _refuse(self, reason: str) -> None:
        self._refused, self._begun = True, None
        self._undated.clear()
        self._send(NotKept(reason))


def _dated(packets: list[_Undated], first: StreamPacket) -> list[StreamPacket]:
    """A stream's first packets with times before those of `first`, the first whose times FFmpeg knows."""
    times = sorted({first.pts, *(each.pts for each in packets if each.pts is not None)})
    step = max(1, min((after - before for before, after in pairwise(times)), default=first.duration))
    found = []
    for number, each in enumerate(packets):
        dts = first.dts - step * (len(packets) - number)
        pts = dts if each.pts is None else each.pts
        found.append(StreamPacket(pts, dts, each.duration, each.is_sync, each.data))
    return found


def _header(stream: VideoStream, time_base: Fraction, sound: SoundTrack | None) -> tuple[bytes, Fraction | None]:
    """`ftyp` and `moov` of a file whose fragments hold the stream's packets as they are, in the stream's own ticks; and
    the ticks of its sound."""
    made = io.BytesIO()
    options = {
        "movflags": "empty_moov+default_base_moof",
        "use_editlist": "0",
        "video_track_timescale": str(time_base.denominator),
    }
    with av.open(made, "w", format="mp4", options=options) as out:
        copied = out.add_stream_from_template(stream)
        beside = None if sound is None else sound.add_to(out)
        out.start_encoding()
        if copied.time_base != time_base:
            raise ValueError(f"its time base would be {copied.time_base} instead of {time_base}")
        if sound is None or beside is None or beside.time_base is None:
            return made.getvalue(), None
        sound.use_base(beside.time_base)
        return made.getvalue(), beside.time_base


def _with_lengths(data: bytes) -> bytes:
    """The NAL units of an access unit, each after its length in four bytes instead of a start code (ISO 14496-15)."""
    # zeros before a start code belong to none: the last byte of a NAL unit is not zero
    units = (unit.rstrip(b"\0") for unit in _START_CODE.split(data)[1:])
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units if unit)
