"""Opens a video file with FFmpeg, without opening any other file."""

from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from schemas.errors import SourceError

# Demuxers of single, self-contained files. Playlists (hls, concat, dash), image sequences and devices
# are excluded: they open other files, whose names the author of the playlist chose.
FORMATS = ",".join(
    (
        "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,mxf,nut,ivf,gif,rm,dv,wtv",
        "h264,hevc,m4v,mpegvideo,mjpeg,obu,yuv4mpegpipe",
    )
)


def open_video(path: str) -> tuple[InputContainer, VideoStream]:
    """The container and its first video stream, ready to demux.

    Raises SourceError with the reason when the file is missing, unreadable or empty, when FFmpeg does not
    recognise it as a video, or when it contains no pictures.
    """
    require_file(path)
    options = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
    try:
        # with "file:", FFmpeg takes "concat:a|b" for a file name, not for a protocol
        container = av.open(f"file:{Path(path).absolute()}", options=options)
    except av.error.FFmpegError as error:
        raise SourceError(f"{path} cannot be read as a video: {_reason(error)}") from None
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        kinds = ", ".join(sorted({str(s.type) for s in container.streams}))
        container.close()
        raise SourceError(f"{path} holds no video, only {kinds or 'an empty container'}")
    stream = streams[0]
    if getattr(stream, "codec_context", None) is None:
        container.close()
        raise SourceError(f"{path}: this FFmpeg has no decoder for its video")
    # Report damage that the decoder would otherwise conceal.
    stream.codec_context.options = {"err_detect": "crccheck+bitstream+buffer"}
    stream.thread_type = "AUTO"
    return container, stream


def require_file(path: str) -> None:
    """Raises SourceError with the reason unless `path` is a readable file that is not empty."""
    file = Path(path)
    try:
        if file.is_dir():
            raise SourceError(f"{path} is a folder, not a file")
        if not file.exists():
            raise SourceError(f"{path} does not exist")
        if not file.is_file():
            raise SourceError(f"{path} is not a regular file")
        with file.open("rb") as stream:
            if not stream.read(1):
                raise SourceError(f"{path} is empty (0 bytes)")
    except PermissionError:
        raise SourceError(f"{path} cannot be read: permission denied") from None
    except SourceError:
        raise
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from None


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
