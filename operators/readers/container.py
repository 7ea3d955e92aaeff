"""Opens a video file with FFmpeg, without opening any other file."""

import re
from contextlib import suppress
from typing import Any

import av
import av.error
import av.logging
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from operators.readers.limits import DEFAULT_LIMITS, ReadLimits
from operators.readers.media_file import Media, opened
from schemas.errors import SourceError

# Demuxers of single, self-contained files. Playlists (hls, concat, dash), image sequences and devices
# are excluded: they open other files, whose names the author of the playlist chose.
FORMATS = ",".join(
    (
        "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,mxf,nut,ivf,gif,rm,dv,wtv",
        "h264,hevc,m4v,mpegvideo,mjpeg,obu,yuv4mpegpipe",
    )
)
_TOO_LARGE = re.compile(r"Picture size (\d+)x(\d+) exceeds")
_INT_MAX = 2**31 - 1
_MOST_STREAMS = 1000  # FFmpeg opens no container of more


def open_video(media: Media, limits: ReadLimits = DEFAULT_LIMITS) -> tuple[InputContainer, VideoStream]:
    """The container and its first video stream, ready to demux. It remains usable when an open file is closed.

    Raises SourceError with the reason when the file is missing, unreadable or empty, when FFmpeg does not
    recognise it as a video, when it contains no pictures, or when it exceeds the limits.
    """
    with opened(media) as file:
        name = file.shown
        # FFmpeg opens nothing itself, neither this file nor another one that it names
        options = {"protocol_whitelist": "none", "format_whitelist": FORMATS}
        try:
            container = av.open(
                file.view(),
                mode="r",
                options=options,
                stream_options=analysis_options(limits),
                metadata_errors="backslashreplace",
            )
        except av.error.FFmpegError as error:
            raise SourceError(f"{name} cannot be read as a video: {_reason(error)}") from None
    try:
        return container, _video_stream(container, name, limits)
    except BaseException:
        container.close()
        raise


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


def refused_size(media: Media, limits: ReadLimits) -> tuple[int, int] | None:
    """(width, height) of the first frame where a decoder refuses it for its size; None where it fails otherwise.

    Some formats (GIF) announce no size before a frame is decoded, and FFmpeg states the size in its log alone.
    """
    level, skips = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)  # else the first line may be an earlier one, again
    try:
        with av.logging.Capture(local=False) as lines, suppress(SourceError, av.error.FFmpegError):
            container, stream = open_video(media, limits)
            with container:
                stream.codec_context.thread_count = 1
                for packet in container.demux(stream):
                    packet.decode()
                    break
        found = next((found for _, _, line in lines if (found := _TOO_LARGE.search(line))), None)
    finally:
        av.logging.set_level(level)
        av.logging.set_skip_repeated(skips)
    return None if found is None else (int(found[1]), int(found[2]))


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


def _reason(error: av.error.FFmpegError) -> str:
    return error.strerror or type(error).__name__
