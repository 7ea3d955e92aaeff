"""Opens a video file with FFmpeg, and nothing but that file."""

from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from schemas.errors import SourceError

# Demuxers of one self-contained file. Playlists (hls, concat, dash), image sequences and devices
# are left out: they open other files, by names that whoever wrote the playlist chose.
FORMATS = ",".join(
    (
        "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,mxf,nut,ivf,gif,rm,dv,wtv",
        "h264,hevc,m4v,mpegvideo,mjpeg,obu,yuv4mpegpipe",
    )
)


def open_video(path: str) -> tuple[InputContainer, VideoStream]:
    """The container and its first video stream, ready to demux.

    Raises SourceError with the reason when the file is missing, unreadable, empty, no video that
    FFmpeg knows, or without pictures.
    """
    require_file(path)
    options = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
    try:
        # "file:" keeps a name like "concat:a|b" a name
        container = av.open(f"file:{Path(path).absolute()}", options=options)
    except av.error.FFmpegError as error:
        raise SourceError(f"{path} is no video that can be read: {_reason(error)}") from None
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        kinds = ", ".join(sorted({str(s.type) for s in container.streams}))
        container.close()
        raise SourceError(f"{path} holds no video, only {kinds or 'an empty container'}")
    stream = streams[0]
    if getattr(stream, "codec_context", None) is None:
        container.close()
        raise SourceError(f"{path}: this FFmpeg has no decoder for its video")
    # Also fails on damage that a decoder would conceal.
    stream.codec_context.options = {"err_detect": "crccheck+bitstream+buffer"}
    stream.thread_type = "AUTO"
    return container, stream


def require_file(path: str) -> None:
    """Raises SourceError, with the reason, unless `path` is a file with bytes in it that may be read."""
    file = Path(path)
    try:
        if file.is_dir():
            raise SourceError(f"{path} is a folder, not a file")
        if not file.exists():
            raise SourceError(f"{path} does not exist")
        if not file.is_file():
            raise SourceError(f"{path} is no regular file")
        with file.open("rb") as stream:
            if not stream.read(1):
                raise SourceError(f"{path} is empty (0 bytes)")
    except PermissionError:
        raise SourceError(f"{path} may not be read: permission denied") from None
    except SourceError:
        raise
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from None


class PresentationTimes:
    """When each decoded frame of one stream is shown, in ticks of the stream.

    AVI stores no times; FFmpeg counts packets instead, in decoding order. Where the codec reorders
    pictures, the time of a picture is its DTS, and that of the last few, which have none, follows
    from the frame before.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        codec = stream.codec_context
        self.counted = container.format.name == "avi" and codec.name in ("h264", "hevc") and bool(codec.has_b_frames)
        self._last: int | None = None

    def of(self, frame: VideoFrame) -> int | None:
        """Called once for every frame, in the order of decoding."""
        if not self.counted:
            return frame.pts
        time = frame.dts
        if time is None and self._last is not None:
            time = self._last + max(1, frame.duration or 0)
        self._last = time
        return time


def _reason(error: av.error.FFmpegError) -> str:
    return error.strerror or type(error).__name__
