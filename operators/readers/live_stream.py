"""Reads the frames of a live feed through PyAV: RTSP, HLS, MPEG-TS over UDP, TCP or SRT, or a growing file."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, cast

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from operators.readers.container import decoding_options
from operators.readers.decoded_frame import DecodedFrame, Pixels
from operators.readers.file_survey import Coverage, WrittenTimes, survey
from operators.readers.growing_file import FileMark, GrowingFile
from operators.readers.limits import DEFAULT_LIMITS, ReadLimits
from operators.readers.privacy_masks import PrivacyMasks
from operators.readers.stream_address import is_address, options_of, reason_of
from operators.readers.stream_tls import TlsConfig, VerifiedPlaylist, trusted
from schemas import require
from schemas.clock import Clock, Span
from schemas.errors import DecodeError, SourceError
from schemas.zones import Zone

_USUAL_RATE = 25.0  # frames per second of a stream that does not state its rate
_VERIFIED = TlsConfig()
_AGAIN_S = 5.0  # after a reconnection, frames received before it may be repeated for this long


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """How a stream is opened, and which of its times are trusted.

    transport: transport protocol of RTSP. Over UDP, lost packets damage pictures.
    open_timeout_s, read_timeout_s: time after which FFmpeg gives up. The decoding process is also monitored from
        outside, see pipeline/live.
    gap_s: a new epoch begins where PTS and the wall clock diverge by more than this, or where PTS go back by more than
        a second.
    clock: source of UTC. "sender": the camera's own clock, reported through RTCP. "arrival": the time at which frames
        arrive. "auto": the sender's clock if it is within `believed_s` of arrival, else arrival; a camera whose clock
        was never set is not within it.
    ca_file: PEM file of the authorities whose certificates are trusted (rtsps, rtmps, https); empty: those of this
        machine.
    """

    transport: Literal["tcp", "udp"] = "tcp"
    open_timeout_s: float = 10.0
    read_timeout_s: float = 10.0
    gap_s: float = 10.0
    clock: Literal["auto", "sender", "arrival"] = "auto"
    believed_s: float = 60.0
    ca_file: str = ""

    def __post_init__(self) -> None:
        require.above(0, open_timeout_s=self.open_timeout_s, read_timeout_s=self.read_timeout_s)
        require.above(0, gap_s=self.gap_s, believed_s=self.believed_s)


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """Properties of a stream during one epoch.

    width_px, height_px: size of the pictures as they are shown.
    frame_rate: frames per second, as the stream states it.
    """

    codec: str
    width_px: int
    height_px: int
    frame_rate: float
    time_base: Fraction


@dataclass(frozen=True, slots=True)
class LiveFrame:
    """A frame of a live feed, with its times.

    arrived: when it arrived by this machine's clock; for a file, when it was written.
    sender_zero: UTC at PTS 0 by the sender's clock; None if the sender has not reported it.
    epoch: why a new epoch begins with this frame: its time, size or codec does not continue those of the frame before.
        None if it does.
    """

    frame: DecodedFrame
    info: StreamInfo
    arrived: datetime
    sender_zero: datetime | None
    epoch: str | None


class LiveStream:
    """Frames in the order they are shown, with PTS strictly ascending within an epoch; a context manager.

    ingested_spans: is called with the identity of a growing file, or with "" for a stream, and returns the spans to
        skip, in the order of the feed. In a stream, only frames that arrive in the first seconds are skipped.
    quiet_s: for growing files only: time without new data after which the file ends.
    on_wait: for growing files only: called now and then; the file ends at once if it returns True.
    on_packet: called with each packet of the video before it is decoded, and with each of the sound.
    with_sound: read the packets of the first stream of sound, `sound`, too.
    limits: of pixels and streams. Larger frames are not decoded.
    tls: which certificate of the server is trusted; its authorities are those of `config`.
    masks: areas that are black in all frames.
    damaged: number of frames so far that had no time or could not be restored by the decoder; they are skipped.
    identity: identity of the growing file (see `Survey`); "" for a stream.

    Raises SourceError when the stream cannot be opened.
    """

    def __init__(
        self,
        address: str,
        config: StreamConfig,
        *,
        ingested_spans: Callable[[str], Sequence[Span]] = lambda _: (),
        quiet_s: float = 10.0,
        on_wait: Callable[[], bool] = lambda: False,
        on_packet: "Callable[[Packet[VideoStream] | Packet[AudioStream]], None]" = lambda _: None,
        with_sound: bool = False,
        limits: ReadLimits = DEFAULT_LIMITS,
        tls: TlsConfig = _VERIFIED,
        masks: Sequence[Zone] = (),
    ) -> None:
        self._masks = PrivacyMasks(masks)
        self._config = config
        self._on_wait = on_wait
        self._on_packet = on_packet
        self.damaged = 0
        self.identity = ""
        self._skip = 0  # number of packets that need not be decoded
        self._file: GrowingFile | None = None
        self._written: WrittenTimes | None = None
        self._skip_until_s = math.inf
        opened: str | GrowingFile = address
        timeout: tuple[float, float] | None = (config.open_timeout_s, config.read_timeout_s)
        if is_address(address):
            self._ingested = Coverage(ingested_spans(""))
        else:
            path = Path(address)
            known = survey(path, ingested_spans, gap_s=config.gap_s, on_progress=on_wait, limits=limits)
            self.identity, self._skip, self._ingested = known.identity, known.skip, Coverage(known.ingested)
            self._written = WrittenTimes(known, gap_s=config.gap_s)
            opened = self._file = GrowingFile(path, quiet_s=quiet_s, on_wait=on_wait)
            timeout = None  # a growing file may be quiet for longer
        options = options_of(address, transport=config.transport, read_timeout_s=config.read_timeout_s)
        self._playlist: VerifiedPlaylist | None = None
        try:
            with trusted(address, replace(tls, ca_file=config.ca_file), timeout_s=config.open_timeout_s) as trust:
                # without options for the streams, of which some formats know none before they are analysed
                self._container: InputContainer = av.open(
                    opened,
                    mode="r",
                    options={**options, **trust.options},
                    timeout=timeout,
                    io_open=trust.playlist,
                    metadata_errors="backslashreplace",
                )
                self._playlist = trust.playlist
        except SourceError as error:
            raise SourceError(f"cannot be opened: {error}") from None
        except (av.error.FFmpegError, OSError) as error:
            raise SourceError(f"cannot be opened: {reason_of(error, address)}") from None
        if self._file is None:
            self._skip_until_s = time.monotonic() + _AGAIN_S
        videos = self._container.streams.video
        if not videos or getattr(videos[0], "codec_context", None) is None:
            self._container.close()
            raise SourceError("contains no video that this FFmpeg can decode")
        self._stream = videos[0]
        self.sound = next(iter(self._container.streams.audio), None) if with_sound else None
        codec = self._stream.codec_context
        try:
            limits.require_streams("the stream", len(self._container.streams))
            limits.require_size("the stream", codec.width, codec.height)
        except SourceError:
            self._container.close()
            raise
        codec.options = decoding_options(limits)
        self._stream.codec_context.thread_count = (
            1  # each further thread adds a frame of delay, and there are many feeds
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()
        if self._file is not None:
            self._file.close()
        if self._playlist is not None:
            self._playlist.close()

    @property
    def mark(self) -> FileMark | None:
        """How far a growing file was read; None for a stream."""
        return None if self._file is None else self._file.mark

    @property
    def ended(self) -> str:
        """Why there are no more frames, once `frames` has ended."""
        if self._file is not None:
            return self._file.ended or "the file has ended"
        return "the sender ended the stream"

    def frames(self) -> Iterator[LiveFrame]:
        """Frames until the sender ends the stream. Raises DecodeError when the stream breaks off or times out."""
        info: StreamInfo | None = None
        pixels: Pixels | None = None
        last: tuple[int, datetime] | None = None
        for raw in self._decoded():
            if raw.pts is None or raw.is_corrupt or not _is_time(raw.pts, raw.time_base):
                self.damaged += 1
                continue
            arrived = datetime.now(UTC)
            if self._written is not None and raw.time_base is not None:
                arrived = self._written.of(raw.pts, base=raw.time_base)
            if time.monotonic() < self._skip_until_s and self._ingested.covers(raw.pts):
                continue
            epoch = None
            if info is None or last is None:
                epoch = "connected"
            elif not self._continues(raw, info):
                epoch = f"the picture changed from {_described(info)} to {_described(self._info(raw))}"
            else:
                epoch = self._jump(raw.pts, arrived, last, info.time_base)
                if epoch is None and raw.pts <= last[0]:
                    self.damaged += 1  # a frame with this PTS or a later one was already returned
                    continue
            if info is None or pixels is None or epoch is not None:
                info = self._info(raw)
                pixels = Pixels(width_px=info.width_px, height_px=info.height_px, masks=self._masks)
            last = raw.pts, arrived
            yield LiveFrame(DecodedFrame(raw.pts, raw, pixels), info, arrived, self._sender_zero(), epoch)

    def _decoded(self) -> Iterator[VideoFrame]:
        beside = () if self.sound is None else (self.sound,)
        packets = self._container.demux(self._stream, *beside)
        while True:
            try:
                packet = next(packets, None)
            except av.error.EOFError:
                return
            except SourceError as error:  # of a segment
                raise DecodeError(f"broke off: {error}") from None
            except (av.error.FFmpegError, OSError) as error:
                raise DecodeError(f"broke off: {reason_of(error)}") from None
            if packet is None:
                return
            if packet.stream_index != self._stream.index:
                self._on_packet(cast("Packet[AudioStream]", packet))
                continue
            picture = cast("Packet[VideoStream]", packet)
            if self._skip and picture.size:
                self._skip -= 1
                self._on_wait()
                continue
            self._on_packet(picture)
            try:
                yield from picture.decode()
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self.damaged += 1

    def _info(self, raw: VideoFrame) -> StreamInfo:
        stream = self._stream
        rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
        rate = next((float(each) for each in rates if each and 0 < each <= 240), _USUAL_RATE)
        if raw.time_base is None:
            raise DecodeError("has no time base")
        return StreamInfo(stream.codec_context.name, raw.width, raw.height, rate, raw.time_base)

    def _continues(self, raw: VideoFrame, info: StreamInfo) -> bool:
        return (self._stream.codec_context.name, raw.width, raw.height, raw.time_base) == (
            info.codec,
            info.width_px,
            info.height_px,
            info.time_base,
        )

    def _jump(self, pts: int, arrived: datetime, last: tuple[int, datetime], time_base: Fraction) -> str | None:
        """Why the time of a frame does not continue that of the last one; None if it does."""
        by_pts = float((pts - last[0]) * time_base)
        by_clock = (arrived - last[1]).total_seconds()
        if by_pts < -1.0:
            return f"PTS went back by {-by_pts:.1f} s"
        if by_clock < -1.0 or abs(by_pts - by_clock) > self._config.gap_s:
            return f"PTS moved by {by_pts:.1f} s while the clock moved by {by_clock:.1f} s"
        return None

    def _sender_zero(self) -> datetime | None:
        micros = self._container.start_time_realtime  # set by the first RTCP sender report
        if self._config.clock == "arrival" or not micros:
            return None
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)


def utc_at_zero(frame: LiveFrame, earliest: datetime, config: StreamConfig) -> datetime:
    """UTC at PTS 0 of a frame's epoch: by the sender's clock if it is known and trusted, else by arrival.

    earliest: the minimum of arrival − PTS over the frames of the epoch, which is that of the least delayed frame.
    """
    sender = frame.sender_zero
    if sender is not None and (
        config.clock == "sender" or abs((sender - earliest).total_seconds()) <= config.believed_s
    ):
        return sender
    return earliest


def _is_time(pts: int, time_base: Fraction | None) -> bool:
    return time_base is None or Clock(time_base).holds(pts)


def _described(info: StreamInfo) -> str:
    return f"{info.codec} {info.width_px}×{info.height_px}"
