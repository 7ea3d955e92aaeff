"""Cuts a clip out of a video without encoding it again: its packets from the key frame on, and an edit list."""

import io
from collections.abc import Iterator
from typing import Any

import av
import av.error
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.stream import VideoStream

from operators.readers.container import open_video
from operators.readers.limits import DEFAULT_LIMITS, ReadLimits
from operators.readers.media_file import Media
from schemas.clock import Span
from schemas.errors import DecodeError

PLAYABLE = {"h264": ("yuv420p", "yuvj420p")}  # codecs and pixels that every browser plays
_BLOCK_BYTES = 1 << 20
_INDEX_BYTES = 64  # of a packet, at most, in the tables of an MP4 file
_OTHER_BYTES = 1 << 14  # of its other boxes


def copied_clip(media: Media, span: Span, *, limits: ReadLimits = DEFAULT_LIMITS) -> Iterator[bytes]:
    """The bytes of an MP4 file that shows the frames of the span, the first of them at 0, exactly as they are.

    Its index comes first, so that a player begins at once. It holds the packets from the key frame before the span,
    which an edit list hides. Where frames refer to later ones, it may show a few frames after the span. Sound is copied
    too, where the video has some.
    Raises SourceError where the file cannot be opened, DecodeError where it has no frame of the span.
    """
    container, stream = open_video(media, limits)
    with container:
        sound = next(iter(container.streams.audio), None)
        found = [packet for packet in container.demux(*([stream] if sound is None else [stream, sound])) if packet.size]
        packets = [packet for packet in found if packet.stream_index == stream.index and packet.pts is not None]
        shown = [n for n, packet in enumerate(packets) if packet.pts is not None and packet.pts in span]
        if not shown:
            raise DecodeError("there is no frame in the span")
        keys = [n for n, packet in enumerate(packets[: shown[0] + 1]) if packet.is_keyframe]
        first = max((n for n in keys if (packets[n].pts or 0) <= span.start), default=keys[0] if keys else 0)
        chosen = packets[first : shown[-1] + 1]
        made = io.BytesIO()
        options = {"moov_size": str(_INDEX_BYTES * len(found) + _OTHER_BYTES)}
        if stream.time_base is not None:
            options["video_track_timescale"] = str(stream.time_base.denominator)
        try:
            with av.open(made, "w", format="mp4", options=options) as out:
                copy = out.add_stream_from_template(stream)
                heard = _within(span, stream, sound, found)
                beside = out.add_stream_from_template(sound) if sound is not None and heard else None
                for packet, first in heard:
                    packet.pts = packet.dts = (packet.pts or 0) - first
                    packet.stream = beside
                    out.mux_one(packet)
                for packet in chosen:
                    packet.pts = None if packet.pts is None else packet.pts - span.start
                    packet.dts = None if packet.dts is None else packet.dts - span.start
                    packet.stream = copy
                    out.mux_one(packet)
        except av.error.FFmpegError as error:
            raise DecodeError(f"its packets cannot be copied: {error.strerror or error}") from None
    content = made.getbuffer()
    for at in range(0, len(content), _BLOCK_BYTES):
        yield bytes(content[at : at + _BLOCK_BYTES])


def _within(
    span: Span, stream: VideoStream, sound: AudioStream | None, packets: "list[Packet[Any]]"
) -> "list[tuple[Packet[Any], int]]":
    """The packets of the sound of a span of the video, each with the time of the sound at which the span begins."""
    if sound is None or sound.time_base is None or stream.time_base is None:
        return []
    start, stop = (round(pts * stream.time_base / sound.time_base) for pts in (span.start, span.stop))
    chosen = [p for p in packets if p.stream_index == sound.index and p.pts is not None and start <= p.pts < stop]
    return [(packet, start) for packet in chosen]
