"""The sound of a live stream, in the form in which an MP4 file holds it beside the video."""

from fractions import Fraction

import av.error
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from operators.readers.stream_packet import SOUND, StreamPacket

_RAW = ("opus", "mp3", "ac3", "eac3")  # besides AAC, what MP4 holds as it comes
_ADTS_HEADER, _ADTS_CHECKED = 7, 9  # bytes of the header of a frame, without and with its checksum


class SoundTrack:
    """Copies the packets of one stream of sound. Raises ValueError where an MP4 file cannot hold its codec."""

    def __init__(self, stream: AudioStream) -> None:
        codec = stream.codec_context
        if codec.name not in ("aac", *_RAW):
            raise ValueError(f"an MP4 file cannot hold {codec.name}; let the camera send AAC")
        self._stream = stream
        self._framed = codec.name == "aac" and not codec.extradata  # each frame has a header (ADTS), as in MPEG-TS
        if self._framed and codec.profile not in (None, "LC"):
            raise ValueError(f"AAC of profile {codec.profile} has no description of its own")
        self._base = Fraction(1, codec.sample_rate)
        self._last: int | None = None

    @property
    def index(self) -> int:
        """The number of the stream among those of its container."""
        return self._stream.index

    def add_to(self, out: OutputContainer) -> AudioStream:
        """Adds the track to a file, after that of the video. Its ticks are samples."""
        codec = self._stream.codec_context
        if not self._framed:
            return out.add_stream_from_template(self._stream)
        # FFmpeg's encoder describes what such frames hold, and encodes nothing
        return out.add_stream("aac", rate=codec.sample_rate, layout=codec.layout.name)

    def use_base(self, base: Fraction) -> None:
        """Sets the seconds per tick of the track, once the header of the file was made."""
        self._base = base

    def packet(self, packet: "Packet[AudioStream]") -> StreamPacket | None:
        """The packet in ticks of the track; None where it has no time, or one that goes back."""
        if packet.pts is None or self._stream.time_base is None:
            return None
        pts = round(packet.pts * self._stream.time_base / self._base)
        if self._last is not None and pts <= self._last:
            return None
        self._last = pts
        data = bytes(packet)
        if self._framed and len(data) > _ADTS_CHECKED and data[0] == 0xFF and data[1] & 0xF0 == 0xF0:
            data = data[_ADTS_HEADER if data[1] & 1 else _ADTS_CHECKED :]
        duration = round((packet.duration or 0) * self._stream.time_base / self._base)
        return StreamPacket(pts, pts, duration, True, data, SOUND)


def sound_of(stream: AudioStream | None) -> tuple[SoundTrack | None, str | None]:
    """The track of a stream, or why there is none; neither where there is no sound."""
    if stream is None:
        return None, None
    try:
        return SoundTrack(stream), None
    except (ValueError, av.error.FFmpegError) as error:
        return None, str(error)
