"""Opens a video file with FFmpeg, and nothing but that file."""

from pathlib import Path
from typing import Literal

import av
import av.error
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from schemas.errors import SourceError

# Demuxers of one self-contained file. Playlists (hls, concat, dash), image sequences and devices
# are left out: they open other files, by names that whoever wrote the playlist chose.
_FORMATS = ",".join(
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
    options = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
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


def timestamps_of(container: InputContainer, stream: VideoStream) -> Literal["pts", "dts"]:
    """Which timestamp of a decoded frame tells when it is shown.

    AVI stores none; FFmpeg counts packets instead, in decoding order. Where the codec reorders
    pictures, that count becomes the time of a picture only as its DTS.
    """
    reorders = stream.codec_context.name in ("h264", "hevc") and stream.codec_context.has_b_frames
    return "dts" if container.format.name == "avi" and reorders else "pts"


def _reason(error: av.error.FFmpegError) -> str:
    return error.strerror or type(error).__name__
