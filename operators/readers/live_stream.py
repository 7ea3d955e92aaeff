"""Frames of a stream that does not end: RTSP, HLS, MPEG-TS over UDP, TCP or SRT, or a file that still grows (PyAV)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import av
import av.error
from av.video.frame import VideoFrame

from operators.readers.container import FORMATS
from operators.readers.decoded_frame import DecodedFrame, Pixels
from schemas.errors import DecodeError, InvalidValueError, SourceError

# Protocols that each kind of address may open in its turn: a playlist names files of its own choice.
_PROTOCOLS = {
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsp,rtp,udp,tcp,tls",
    "http": "http,https,tcp,tls,crypto",
    "https": "http,https,tcp,tls,crypto",
    "udp": "udp",
    "rtp": "rtp,udp",
    "tcp": "tcp",
    "srt": "srt,udp",
    "rtmp": "rtmp,tcp",
    "rtmps": "rtmp,rtmps,tls,tcp",
}
STREAM_SCHEMES = frozenset(_PROTOCOLS)
_STREAM_FORMATS = f"{FORMATS},rtsp,sdp,rtp,hls"
_USUAL_RATE = 25.0  # where the stream tells none


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """How a stream is opened, and what of its times is believed.

    transport: of RTSP; over UDP a network that loses packets damages pictures.
    open_timeout_s, read_timeout_s: after which FFmpeg gives up. The process that decodes is watched from outside as
        well: see pipeline/live.
    gap_s: where PTS jump by more than this against the clock on the wall, or back by more than a second, a new epoch
        begins.
    clock: what UTC is told by: "sender" is the camera's own clock, by RTCP; "arrival" when frames came; "auto" is the
        sender's where it is within `believed_s` of arrival, which a camera that was never set is not.
    """

    transport: Literal["tcp", "udp"] = "tcp"
    open_timeout_s: float = 10.0
    read_timeout_s: float = 10.0
    gap_s: float = 10.0
    clock: Literal["auto", "sender", "arrival"] = "auto"
    believed_s: float = 60.0

    def __post_init__(self) -> None:
        if min(self.open_timeout_s, self.read_timeout_s, self.gap_s, self.believed_s) <= 0:
            raise InvalidValueError(f"times of a stream must be positive, got {self}")


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """Of one epoch. width_px, height_px: as shown. frame_rate: frames a second, as the stream tells."""

    codec: str
    width_px: int
    height_px: int
    frame_rate: float
    time_base: Fraction


@dataclass(frozen=True, slots=True)
class LiveFrame:
    """arrived: by this machine's clock. sender_zero: UTC at PTS 0 by the sender's, where it told.
    epoch: why times, size or codec do not go on from the frame before; None where they do."""

    frame: DecodedFrame
    info: StreamInfo
    arrived: datetime
    sender_zero: datetime | None
    epoch: str | None


class LiveStream:
    """Frames in the order they are shown, PTS strictly ascending within an epoch; a context manager.

    damaged: frames so far that came without a time or that the decoder could not restore; they are left out.

    Raises SourceError when the stream cannot be opened.
    """

    def __init__(self, address: str, config: StreamConfig) -> None:
        self._config = config
        self.damaged = 0
        try:
            self._container = av.open(
                _url(address), options=_options(address, config), timeout=(config.open_timeout_s, config.read_timeout_s)
            )
        except (av.error.FFmpegError, OSError) as error:
            raise SourceError(f"cannot be opened: {_reason(error)}") from None
        videos = self._container.streams.video
        if not videos or getattr(videos[0], "codec_context", None) is None:
            self._container.close()
            raise SourceError("carries no video that this FFmpeg can decode")
        self._stream = videos[0]
        self._stream.codec_context.thread_count = 1  # a thread more is a frame later, and feeds are many

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def frames(self) -> Iterator[LiveFrame]:
        """Until the sender ends the stream. Raises DecodeError when it breaks off or goes silent."""
        info: StreamInfo | None = None
        pixels: Pixels | None = None
        last: tuple[int, datetime] | None = None
        for raw in self._decoded():
            if raw.pts is None or raw.is_corrupt:
                self.damaged += 1
                continue
            arrived = datetime.now(UTC)
            epoch = None
            if info is None or last is None:
                epoch = "connected"
            elif not self._goes_on(raw, info):
                epoch = f"the picture changed from {_told(info)} to {_told(self._info(raw))}"
            else:
                epoch = self._jump(raw.pts, arrived, last, info.time_base)
                if epoch is None and raw.pts <= last[0]:
                    self.damaged += 1  # its place has been taken
                    continue
            if info is None or pixels is None or epoch is not None:
                info = self._info(raw)
                pixels = Pixels(width_px=info.width_px, height_px=info.height_px)
            last = raw.pts, arrived
            yield LiveFrame(DecodedFrame(raw.pts, raw, pixels), info, arrived, self._sender_zero(), epoch)

    def _decoded(self) -> Iterator[VideoFrame]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.EOFError:
                return
            except av.error.FFmpegError as error:
                raise DecodeError(f"broke off: {_reason(error)}") from None
            if packet is None:
                return
            try:
                yield from packet.decode()
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self.damaged += 1

    def _info(self, raw: VideoFrame) -> StreamInfo:
        stream = self._stream
        rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
        rate = next((float(each) for each in rates if each and 0 < each <= 240), _USUAL_RATE)
        if raw.time_base is None:
            raise DecodeError("tells no time base")
        return StreamInfo(stream.codec_context.name, raw.width, raw.height, rate, raw.time_base)

    def _goes_on(self, raw: VideoFrame, info: StreamInfo) -> bool:
        return (self._stream.codec_context.name, raw.width, raw.height, raw.time_base) == (
            info.codec,
            info.width_px,
            info.height_px,
            info.time_base,
        )

    def _jump(self, pts: int, arrived: datetime, last: tuple[int, datetime], time_base: Fraction) -> str | None:
        """Why time does not go on from the last frame; None where it does."""
        by_pts = float((pts - last[0]) * time_base)
        by_clock = (arrived - last[1]).total_seconds()
        if by_pts < -1.0:
            return f"PTS went back by {-by_pts:.1f} s"
        if by_clock < -1.0 or abs(by_pts - by_clock) > self._config.gap_s:
            return f"PTS moved by {by_pts:.1f} s while the clock moved by {by_clock:.1f} s"
        return None

    def _sender_zero(self) -> datetime | None:
        micros = self._container.start_time_realtime  # set when the first RTCP sender report came
        if self._config.clock == "arrival" or not micros:
            return None
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)


def utc_at_zero(frame: LiveFrame, earliest: datetime, config: StreamConfig) -> datetime:
    """UTC at PTS 0 of a frame's epoch: by the sender where it told and is believed, else by arrival.

    earliest: the least of arrival less PTS over the frames of the epoch: of the one that was least delayed.
    """
    sender = frame.sender_zero
    if sender is not None and (
        config.clock == "sender" or abs((sender - earliest).total_seconds()) <= config.believed_s
    ):
        return sender
    return earliest


def _url(address: str) -> str:
    return address if _scheme(address) else f"file:{Path(address).absolute()}"


def _scheme(address: str) -> str:
    scheme, colon, _ = address.partition("://")
    return scheme.lower() if colon else ""


def _options(address: str, config: StreamConfig) -> dict[str, str]:
    scheme = _scheme(address)
    micros = str(int(config.read_timeout_s * 1e6))
    options = {
        "format_whitelist": _STREAM_FORMATS,
        "protocol_whitelist": _PROTOCOLS.get(scheme, "file"),
        "analyzeduration": "2000000",
    }
    if not scheme:
        return {**options, "follow": "1"}  # at its end, wait for more
    if scheme in ("rtsp", "rtsps"):
        return {**options, "rtsp_transport": config.transport, "timeout": micros}
    if scheme in ("udp", "rtp"):
        return {**options, "timeout": micros, "overrun_nonfatal": "1", "fifo_size": "50000"}
    return options


def _told(info: StreamInfo) -> str:
    return f"{info.codec} {info.width_px}×{info.height_px}"


def _reason(error: Exception) -> str:
    """Without the address, in which there may be a password."""
    if isinstance(error, av.error.ProtocolNotFoundError):
        return (
            "PyAV's FFmpeg does not speak this protocol; hand the stream on by one that it does, such as "
            "`ffmpeg -i srt://HOST:PORT -c copy -f mpegts udp://127.0.0.1:PORT`"
        )
    if isinstance(error, av.error.ExitError):
        return "no answer within the deadline"
    return getattr(error, "strerror", None) or type(error).__name__
