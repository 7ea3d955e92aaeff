"""Reads full-size pictures of a video at given times, in any order. VideoReader is faster for consecutive frames."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Literal, Protocol

import av.error
import cv2
import decord
import numpy as np

from operators.readers.container import PresentationTimes, open_video
from operators.readers.limits import DEFAULT_LIMITS, ReadLimits
from operators.readers.media_file import Media, opened
from operators.readers.video import VideoReader
from schemas.errors import DecodeError, InvalidValueError
from schemas.frames import ImageArray
from schemas.sources import Source

# Mean difference of one frame between decord and PyAV, in levels of 255: 0 where both seek correctly; above 3
# for 10-bit video, which decord converts differently; above 5 where decord finds another frame.
_SAME_PICTURE = 2.0
# PyAV's FFmpeg must have recognised one of them: decord's own (4.1) takes some files for playlists, and opens what they
# name
_DECORD_FORMATS = frozenset({"mov", "mp4", "matroska"})


class _Frames(Protocol):
    """The part of decord.VideoReader that is used here."""

    def __len__(self) -> int: ...
    def get_frame_timestamp(self, idx: list[int]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]: ...
    def get_batch(self, indices: list[int]) -> "decord.nd.NDArray": ...


class DecordReader:
    """Full-size frames by PTS, through decord if its frames are correct, else through PyAV.

    Decord finds frames by their number, and returns the wrong ones in transport streams, with edit lists,
    B-frames in AVI and intra refresh. It is used for MP4, MOV and Matroska alone, after its times were compared with
    those of all packets, and one frame from the middle of the file with PyAV's.

    backend: "decord" or "pyav". reason: why decord is not used; empty if it is.
    threads: number of threads of the decoder.

    Raises SourceError when the file cannot be opened, InvalidValueError for a picture.
    """

    def __init__(self, media: Media, source: Source, *, threads: int = 1, limits: ReadLimits = DEFAULT_LIMITS) -> None:
        if source.kind != "video":
            raise InvalidValueError(f"{source.uri} is a {source.kind}; read it with read_picture")
        self._media = media
        self._limits = limits
        self._source = source
        self._threads = threads
        self._frames: _Frames | None = None
        self._times, self.reason = _shown_times(media, source, limits)
        if not self.reason:
            self.reason = self._try_decord()
        self.backend: Literal["decord", "pyav"] = "pyav" if self.reason else "decord"
        if self.reason:
            self._frames = None

    def frames_at(self, pts: Sequence[int], *, max_side_px: int | None = None) -> list[ImageArray]:
        """uint8 (H, W, 3), RGB, as shown, one for each PTS, in the order given.

        max_side_px: pictures with a longer side are scaled down to it.
        Raises DecodeError if the video has no frame at exactly one of these PTS.
        """
        if not pts:
            return []
        if self._frames is None:
            return self._by_pyav(pts, max_side_px=max_side_px)
        place = {time: i for i, time in enumerate(self._times)}
        missing = [time for time in pts if time not in place]
        if missing:
            raise DecodeError(f"{self._source.uri} has no frame at PTS {missing[0]}")
        try:
            batch: ImageArray = self._frames.get_batch([place[time] for time in pts]).asnumpy()
        except decord.DECORDError as error:
            raise DecodeError(f"{self._source.uri} cannot be decoded: {_first_line(error)}") from None
        return [_scaled_down(image, max_side_px) for image in batch]

    def _by_pyav(self, pts: Sequence[int], *, max_side_px: int | None = None) -> list[ImageArray]:
        remaining = sorted(set(pts))
        found: dict[int, ImageArray] = {}
        with VideoReader(self._media, self._source, threads=self._threads, limits=self._limits) as reader:
            while remaining:
                for frame in reader.frames(remaining[0]):
                    if frame.pts == remaining[0]:
                        found[frame.pts] = frame.image(max_side_px=max_side_px)
                        del remaining[0]
                        if not remaining or self._sync_before(remaining[0]) > frame.pts:
                            break
                    elif frame.pts > remaining[0]:
                        raise DecodeError(f"{self._source.uri} has no frame at PTS {remaining[0]}")
                else:
                    raise DecodeError(f"{self._source.uri} has no frame at PTS {remaining[0]}")
        return [found[time] for time in pts]

    def _sync_before(self, pts: int) -> int:
        sync = self._source.sync_pts
        return sync[max(0, bisect_right(sync, pts) - 1)]

    def _try_decord(self) -> str:
        """Opens the file with decord. Returns why decord cannot be used; "" if it can."""
        decord.logging.set_level(decord.logging.QUIET)  # `reason` has what it would print
        try:
            with opened(self._media) as file:  # by its descriptor: decord takes no name that is not UTF-8
                frames: _Frames = decord.VideoReader(file.path, num_threads=self._threads)
            if len(frames) != len(self._times):
                return f"decord counts {len(frames)} frames, but there are {len(self._times)} packets"
            starts = frames.get_frame_timestamp(list(range(len(frames))))[:, 0].astype(np.float64)
        except (decord.DECORDError, RuntimeError) as error:
            return f"decord cannot open it: {_first_line(error)}"
        seconds = np.array([self._source.clock.seconds(time - self._times[0]) for time in self._times])
        half_gap = np.diff(seconds).min() / 2 if len(seconds) > 1 else 1.0
        if np.abs((starts - starts[0]) - seconds).max() > half_gap:
            return "decord's times differ from those of the packets"
        self._frames = frames
        middle = self._times[len(self._times) // 2]
        try:
            (theirs,), (ours,) = self.frames_at([middle]), self._by_pyav([middle])
        except DecodeError as error:
            return str(error)
        if theirs.shape != ours.shape or np.abs(theirs.astype(np.int16) - ours).mean() > _SAME_PICTURE:
            return f"decord shows another picture at PTS {middle}"
        return ""


def _shown_times(media: Media, source: Source, limits: ReadLimits) -> tuple[list[int], str]:
    """PTS of all frames, ascending, from the packets; and the reason why decord cannot be used with them, or ""."""
    container, stream = open_video(media, limits)
    times: list[int] = []
    with container:
        if not _DECORD_FORMATS.intersection(container.format.name.split(",")):
            return [], f"PyAV takes it for {container.format.name}"
        if PresentationTimes(container, stream).counted:
            return [], "its packets have no presentation times"
        try:
            packets = container.demux(stream)
            times.extend(p.pts for p in packets if p.size and p.pts is not None and not p.is_discard)
        except av.error.FFmpegError as error:
            return [], f"it breaks off: {error.strerror}"
    return sorted(time for time in times if time >= source.span.start), ""


def _scaled_down(image: ImageArray, max_side_px: int | None) -> ImageArray:
    height, width, _ = image.shape
    factor = 1.0 if max_side_px is None else min(1.0, max_side_px / max(height, width))
    if factor == 1.0:
        return image
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
