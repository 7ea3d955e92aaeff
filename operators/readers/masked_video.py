"""Encodes the frames of a masked feed again: its own packets show what is under the masks, and these do not."""

import io
from contextlib import suppress

import av
import av.error
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from operators.readers.live_stream import LiveFrame, StreamInfo
from operators.readers.packet_tap import PacketTap

_GOP_S = 2.0
_GLOBAL_HEADER = 1 << 22  # the parameter sets are in the header, as MP4 has them
_BT601 = 5  # to which FFmpeg converts RGB
_OPTIONS = {"crf": "23", "preset": "veryfast", "tune": "zerolatency"}  # a packet for each frame, at once


class MaskedVideo:
    """Call `add` with every frame; each becomes a packet of H.264 for the tap, with the frame's PTS.

    Call `take` with every packet of the stream: those of its sound, which no mask hides, go to the tap as they are, and
    those of its video never do.
    """

    def __init__(self, tap: PacketTap) -> None:
        self._tap = tap
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None

    def take(self, packet: "Packet[VideoStream] | Packet[AudioStream]") -> None:
        if isinstance(packet.stream, AudioStream):
            self._tap(packet)

    def add(self, frame: LiveFrame) -> None:
        """Encodes a frame as it is shown, with its masks black. Whatever the encoder refuses is a frame less."""
        if self._stream is None or frame.epoch is not None:
            self.close()
            self._tap.renew()
        image = frame.frame.image()  # each call converts and masks it again
        if self._stream is None:
            self._stream = self._begun(frame.info, image.shape)
        stream = self._stream
        picture = VideoFrame.from_ndarray(np.ascontiguousarray(image[: stream.height, : stream.width]), "rgb24")
        picture.pts, picture.time_base = frame.frame.pts, frame.info.time_base
        with suppress(av.error.FFmpegError):
            for packet in stream.encode(picture):
                self._tap(packet)

    def close(self) -> None:
        if self._container is not None and self._stream is not None:
            with suppress(av.error.FFmpegError):
                for packet in self._stream.encode(None):
                    self._tap(packet)
        self._container = self._stream = None

    def _begun(self, info: StreamInfo, shape: tuple[int, ...]) -> VideoStream:
        # a stream that encodes belongs to a container, of which the tap takes the description of the stream alone
        ticks = {"video_track_timescale": str(info.time_base.denominator)}
        self._container = av.open(io.BytesIO(), "w", format="mp4", options=ticks)
        rate = max(1, round(info.frame_rate))
        stream = self._container.add_stream("libx264", rate=rate, options=_OPTIONS)
        codec = stream.codec_context
        stream.width, stream.height = shape[1] // 2 * 2, shape[0] // 2 * 2  # 4:2:0 needs even sizes
        stream.pix_fmt = "yuv420p"
        stream.time_base = codec.time_base = info.time_base
        codec.colorspace = _BT601
        codec.gop_size = max(1, round(_GOP_S * rate))
        codec.thread_count = 1
        codec.flags |= _GLOBAL_HEADER
        self._container.start_encoding()
        return stream
