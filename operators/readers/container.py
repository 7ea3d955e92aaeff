"""Opens a video file with FFmpeg, without opening any other file."""

import errno
import os
import struct
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from operators.readers.limits import DEFAULT_LIMITS, ReadLimits
from operators.readers.media_file import Media, MediaFile, opened
from schemas.errors import SourceError

# Demuxers of single, self-contained files. Playlists (hls, concat, dash), image sequences and devices
# are excluded: they open other files, whose names the author of the playlist chose.
FORMATS = ",".join(
    (
        "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,mxf,nut,ivf,gif,rm,dv,wtv",
        "h264,hevc,m4v,mpegvideo,mjpeg,obu,yuv4mpegpipe",
    )
)
_INT_MAX = 2**31 - 1
_MOST_STREAMS = 1000  # FFmpeg opens no container of more


def open_video(media: Media, limits: ReadLimits = DEFAULT_LIMITS) -> tuple[InputContainer, VideoStream]:
    """The container and its first video stream, ready to demux. It remains usable when an open file is closed.

    Raises SourceError with the reason when the file is missing, unreadable or empty, when FFmpeg does not
    recognise it as a video, when it contains no pictures, or when it exceeds the limits.
    """
    with opened(media) as file:
        name = file.shown
        require_announced_size(file, limits)
        try:
            container = _analysed(file, limits)
        except av.error.FFmpegError as error:
            raise SourceError(f"{name} cannot be read as a video: {decoding_reason(error, limits)}") from None
    try:
        return container, _video_stream(container, name, limits)
    except BaseException:
        container.close()
        raise


def _analysed(file: MediaFile, limits: ReadLimits) -> InputContainer:
    # FFmpeg opens nothing itself, neither this file nor another one that it names
    options = {"protocol_whitelist": "none", "format_whitelist": FORMATS}
    bounded = analysis_options(limits)
    try:
        return av.open(
            file.view(), mode="r", options=options, stream_options=bounded, metadata_errors="backslashreplace"
        )
    except ValueError as error:
        if isinstance(error, av.error.FFmpegError):
            raise
        # formats that list no streams in their header (MPEG-PS, FLV) take no options for them: while they are
        # analysed, the memory of the process is the only limit of a frame
        return av.open(file.view(), mode="r", options=options, metadata_errors="backslashreplace")


def _video_stream(container: InputContainer, name: str, limits: ReadLimits) -> VideoStream:
    limits.require_streams(name, len(container.streams))
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        kinds = ", ".join(sorted({str(s.type) for s in container.streams}))
        raise SourceError(f"{name} holds no video, only {kinds or 'an empty container'}")
    stream = streams[0]
    codec = getattr(stream, "codec_context", None)
    if codec is None:
        raise SourceError(f"{name}: this FFmpeg has no decoder for its video")
    limits.require_size(name, codec.width, codec.height)
    # Report damage that the decoder would otherwise conceal.
    codec.options = {"err_detect": "crccheck+bitstream+buffer", **decoding_options(limits)}
    stream.thread_type = "AUTO"
    return stream


def analysis_options(limits: ReadLimits) -> list[Any]:
    """Options of the decoders with which FFmpeg analyses each stream as it opens a container; PyAV's `stream_options`,
    whose stub takes them for strings."""
    return [decoding_options(limits)] * _MOST_STREAMS


def decoding_options(limits: ReadLimits) -> dict[str, str]:
    """Options of a decoder that refuse too large a frame before its memory is allocated."""
    return {"max_pixels": str(min(limits.frame_px, _INT_MAX))}


def require_announced_size(file: MediaFile, limits: ReadLimits) -> None:
    """Raises SourceError for a GIF of too many pixels, whose size FFmpeg reports only with a decoded frame."""
    head = os.pread(file.descriptor, 10, 0)
    if head[:6] in (b"GIF87a", b"GIF89a") and len(head) == 10:
        limits.require_size(file.shown, *struct.unpack("<HH", head[6:]))


def decoding_reason(error: av.error.FFmpegError, limits: ReadLimits) -> str:
    """Why FFmpeg decoded nothing."""
    reason = error.strerror or type(error).__name__
    if error.errno in (errno.EINVAL, errno.EPERM):  # as decoders report a frame that is too large, and little else
        return f"{reason}, perhaps a frame of more than {limits.frame_px:,} pixels (read.limits.frame_px)"
    return reason


class PresentationTimes:
    """Presentation times of the decoded frames of one stream, in ticks of the stream.

    AVI stores no times, so FFmpeg counts packets in decoding order instead. Where the codec reorders
    pictures, the time of a picture is its DTS. The last few pictures have no DTS; their times follow
    from the frame before.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        codec = stream.codec_context
        self.counted = container.format.name == "avi" and codec.name in ("h264", "hevc") and bool(codec.has_b_frames)
        self._last: int | None = None

    def of(self, frame: VideoFrame) -> int | None:
        """The time of `frame`, or None if it has none. Must be called once for every frame, in decoding order."""
        if not self.counted:
            return frame.pts
        time = frame.dts
        if time is None and self._last is not None:
            time = self._last + max(1, frame.duration or 0)
        self._last = time
        return time
