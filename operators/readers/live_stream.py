"""Frames of a stream that does not end: RTSP, HLS, MPEG-TS over UDP, TCP or SRT, or a file that still grows (PyAV)."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import av
import av.error
from av.container import InputContainer
from av.video.frame import VideoFrame

from operators.readers.decoded_frame import DecodedFrame, Pixels
from operators.readers.file_survey import Coverage, WrittenTimes, survey
from operators.readers.growing_file import FileMark, GrowingFile
from operators.readers.stream_address import is_address, options_of, reason_of
from schemas import require
from schemas.clock import Span
from schemas.errors import DecodeError, SourceError

_USUAL_RATE = 25.0  # where the stream tells none
_AGAIN_S = 5.0  # after which nothing comes again that came before the connection broke off


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
        require.above(0, open_timeout_s=self.open_timeout_s, read_timeout_s=self.read_timeout_s)
        require.above(0, gap_s=self.gap_s, believed_s=self.believed_s)


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
    """arrived: by this machine's clock; of a file, when it was written.
    sender_zero: UTC at PTS 0 by the sender's, where it told.
    epoch: why times, size or codec do not go on from the frame before; None where they do."""

    frame: DecodedFrame
    info: StreamInfo
    arrived: datetime
    sender_zero: datetime | None
    epoch: str | None


class LiveStream:
    """Frames in the order they are shown, PTS strictly ascending within an epoch; a context manager.

    taken: returns the spans that are to be left out, in their order. It is told the identity of a file that grows; of
        a stream, which has none (""), only what comes in the first seconds can be left out.
    quiet_s, on_wait are of a file that grows (growing_file.py, file_survey.py) alone.
    quiet_s: after which without anything new the file ends. on_wait: called now and then; True ends it at once.
    damaged: frames so far that came without a time or that the decoder could not restore; they are left out.
    identity: of the file; "" of what is none.

    Raises SourceError when the stream cannot be opened.
    """

    def __init__(
        self,
        address: str,
        config: StreamConfig,
        *,
        taken: Callable[[str], Sequence[Span]] = lambda _: (),
        quiet_s: float = 10.0,
        on_wait: Callable[[], bool] = lambda: False,
    ) -> None:
        self._config = config
        self._on_wait = on_wait
        self.damaged = 0
        self.identity = ""
        self._skip = 0  # packets that need not be decoded
        self._file: GrowingFile | None = None
        self._written: WrittenTimes | None = None
        self._taken_before_s = math.inf
        opened: str | GrowingFile = address
        timeout: tuple[float, float] | None = (config.open_timeout_s, config.read_timeout_s)
        if is_address(address):
            self._taken = Coverage(taken(""))
        else:
            path = Path(address)
            known = survey(path, taken, gap_s=config.gap_s, on_progress=on_wait)
            self.identity, self._skip, self._taken = known.identity, known.skip, Coverage(known.taken)
            self._written = WrittenTimes(known, gap_s=config.gap_s)
            opened = self._file = GrowingFile(path, quiet_s=quiet_s, on_wait=on_wait)
            timeout = None  # it may be quiet for as long
        options = options_of(address, transport=config.transport, read_timeout_s=config.read_timeout_s)
        try:
            self._container: InputContainer = av.open(opened, mode="r", options=options, timeout=timeout)
        except (av.error.FFmpegError, OSError) as error:
            raise SourceError(f"cannot be opened: {reason_of(error, address)}") from None
        if self._file is None:
            self._taken_before_s = time.monotonic() + _AGAIN_S
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
        if self._file is not None:
            self._file.close()

    @property
    def mark(self) -> FileMark | None:
        """How far a file was read; None of what is none."""
        return None if self._file is None else self._file.mark

    @property
    def ended(self) -> str:
        """Why there are no more frames, once there are none."""
        if self._file is not None:
            return self._file.ended or "the file has come to its end"
        return "the sender ended the stream"

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
            if self._written is not None and raw.time_base is not None:
                arrived = self._written.of(raw.pts, base=raw.time_base)
            if time.monotonic() < self._taken_before_s and self._taken.covers(raw.pts):
                continue
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
            except (av.error.FFmpegError, OSError) as error:
                raise DecodeError(f"broke off: {reason_of(error)}") from None
            if packet is None:
                return
            if self._skip and packet.size:
                self._skip -= 1
                self._on_wait()
                continue
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


def _told(info: StreamInfo) -> str:
    return f"{info.codec} {info.width_px}×{info.height_px}"
