"""Frames and clips from the files of sources, as long as these are there and unchanged."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from deploy.pictures.clips import Video, cut_clip, find_video, read_frame, write_cut
from deploy.server.showing.frames import FoundFrame
from pipeline.reading.fetch_rule import FetchRule, allow
from pipeline.reading.keyframe_stream import ReadConfig
from pipeline.reading.reader_process import ReaderProcess
from pipeline.reading.sources import Location
from pipeline.ring.cut import Cut, cut_of_seconds
from pipeline.ring.frames import ring_frames
from schemas.errors import SourceError
from schemas.file_names import path_of_uri
from schemas.frames import ImageArray
from schemas.sources import feed_name

_READ_TIMEOUT_S = 60.0
_KNOWN = 256  # videos whose probe is kept
_KEPT_BYTES = 256 * 2**20  # of decoded frames
_MOST_WAITING = 8
Stamp = tuple[int, int] | None  # size and time of change; None for a remote file


class Originals:
    """Reads sources in one confined process, one after the other, in a thread of its own.

    rings: folder of the rings in which the video of feeds is kept.
    fetch: hosts and `s3://bucket`s from which sources may be fetched; by default only files of this machine are opened.
    """

    def __init__(self, *, rings: Path, fetch: Sequence[str] = ()) -> None:
        self._rings = rings
        self._rule = FetchRule(of_lake=True, allowed=allow(fetch))
        self._reader = ReaderProcess(ReadConfig(), timeout_s=_READ_TIMEOUT_S)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="originals")
        self._videos: OrderedDict[str, tuple[Stamp, Video]] = OrderedDict()
        self._lock = threading.Lock()
        self._frames: OrderedDict[str, Future[ImageArray]] = OrderedDict()
        self._unreadable: dict[str, tuple[Stamp, str]] = {}

    def frame(self, frame: FoundFrame) -> "Future[ImageArray]":
        """The frame as the source shows it, uint8 (H, W, 3) RGB. Its result raises SourceError or DecodeError.

        The first frame of a video waits until the whole file has been read once, to know that it is unchanged. Frames
        that were decoded last are kept.
        """
        with self._lock:
            found = self._frames.get(frame.id)
            if found is None or (found.done() and (found.cancelled() or found.exception() is not None)):
                found = self._frames[frame.id] = self._pool.submit(self._frame, frame)
            self._frames.move_to_end(frame.id)
            kept = _KEPT_BYTES // max(1, 3 * frame.width_px * frame.height_px)
            while len(self._frames) > max(1, kept):
                self._frames.popitem(last=False)
            return found

    @property
    def busy(self) -> bool:
        """Whether so many frames wait that another one would take long."""
        with self._lock:
            return sum(not each.done() for each in self._frames.values()) >= _MOST_WAITING

    def clip(
        self, frame: FoundFrame, path: Path, *, start_s: float, stop_s: float, keep: Callable[[], None]
    ) -> "Future[None]":
        """Cuts a clip to `path`, and then calls `keep`. Its result raises SourceError or DecodeError."""
        return self._pool.submit(self._clip, frame, path, start_s, stop_s, keep)

    def version(self, frame: FoundFrame, span_s: tuple[float, float]) -> str:
        """Of the video of a feed, which differs while it grows; "" for a file. Raises SourceError where the video
        of a feed was not kept, or not so long."""
        if frame.kind != "feed":
            return ""
        return self._cut(frame, *span_s).version

    def close(self) -> None:
        self._reader.stop()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._reader.close()

    def _frame(self, frame: FoundFrame) -> ImageArray:
        if frame.kind == "feed":
            return self._frame_of_feed(frame)
        is_picture = frame.kind == "picture"
        place = Location(frame.uri, frame.uri, fetch=self._rule) if is_picture else self._video(frame)
        return read_frame(self._reader, place, source_id=frame.source_id, pts=frame.pts, pts_s=frame.pts_s)

    def _frame_of_feed(self, frame: FoundFrame) -> ImageArray:
        [image] = ring_frames(self._reader, self._rings, uri=frame.uri, source_id=frame.source_id, pts=[frame.pts])
        return image

    def _cut(self, frame: FoundFrame, start_s: float, stop_s: float) -> Cut:
        return cut_of_seconds(self._rings, uri=frame.uri, source_id=frame.source_id, start_s=start_s, stop_s=stop_s)

    def _clip(self, frame: FoundFrame, path: Path, start_s: float, stop_s: float, keep: Callable[[], None]) -> None:
        if frame.kind == "feed":
            write_cut(self._reader, self._cut(frame, start_s, stop_s), path, uri=frame.uri)
            keep()
            return
        cut_clip(self._reader, self._video(frame), path, start_s=start_s, stop_s=stop_s)
        keep()

    def _video(self, frame: FoundFrame) -> Video:
        """The probed video of a frame; a probe reads the whole file, so that its result is kept."""
        stamp = _stamp(frame.uri)
        with self._lock:
            known = self._videos.get(frame.source_id)
            refused = self._unreadable.get(frame.source_id)
        if known is not None and known[0] == stamp:
            return known[1]
        if refused is not None and refused[0] == stamp and stamp is not None:
            raise SourceError(refused[1])
        try:
            video = find_video(self._reader, frame.uri, self._rule, source_id=frame.source_id)
        except SourceError as error:
            with self._lock:
                self._unreadable[frame.source_id] = stamp, str(error)
            raise
        with self._lock:
            self._videos[frame.source_id] = stamp, video
            while len(self._videos) > _KNOWN:
                self._videos.popitem(last=False)
        return video


def _stamp(uri: str) -> Stamp:
    for name in (path_of_uri(uri), path_of_uri(feed_name(uri))):
        try:
            about = Path(name).stat()
        except OSError:
            continue
        return about.st_size, about.st_mtime_ns
    return None
