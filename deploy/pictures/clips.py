"""Cuts a clip around each hit: its shot, at most two seconds to either side, as H.264.

Clips of files are encoded again. Those of feeds are copied from the ring where browsers play its codec.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from av.video.frame import VideoFrame

from deploy.pictures.clip_names import clip_name
from operators.readers.copied_clip import PLAYABLE
from pipeline.lake.lake import Lake
from pipeline.live.status.state_folder import StateFolder
from pipeline.reading.fetch_rule import FetchRule, allow
from pipeline.reading.keyframe_stream import ReadConfig
from pipeline.reading.reader_process import ReaderProcess
from pipeline.reading.sources import Location
from pipeline.ring.cut import Cut, cut_of_seconds
from pipeline.ring.feed_ring import rings_of_state
from pipeline.ring.frames import ring_frames
from schemas.clock import Span, span_of_seconds
from schemas.errors import DecodeError, NoVideoError, RegionLakeError, SourceError
from schemas.frames import ImageArray
from schemas.query import Hit, SearchResult
from schemas.sources import Source

if TYPE_CHECKING:
    from pipeline.redaction.covers import Redactor

_log = logging.getLogger(__name__)
AROUND_S = 2.0
_READ_TIMEOUT_S = 60.0
Paint = Callable[[int, ImageArray], ImageArray]  # the frame at a PTS of the source → what is shown instead of it


@dataclass(frozen=True, slots=True)
class Video:
    """A source from which clips are cut, and where its file is."""

    location: Location
    source: Source


def export_clips(
    result: SearchResult,
    *,
    lake: Lake,
    folder: Path,
    fetch: Sequence[str] = (),
    on_missing: Callable[[str], None] = _log.warning,
    redactor: "Redactor | None" = None,
) -> Iterator[Path]:
    """Writes `RANK_NAME_TIME.mp4` for every hit in a video or a feed and yields the paths; a picture has no clip.

    on_missing: called with the reason for each hit of a feed of which no video is kept, or not any more.
    redactor: covers what clips must not show; they are encoded again then, without sound.
    fetch: hosts and buckets from which sources may be fetched. Names of sources are data of the lake, which may be
        somebody else's: otherwise only files of this machine are opened.

    Raises SourceError when a source is gone or can no longer be decoded, and RegionLakeError when the folder cannot be
    made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RegionLakeError(f"the folder of clips {folder} cannot be made: {error}") from error
    with HitVideos(lake, fetch=fetch) as videos:
        for hit in result.hits:
            path = folder / clip_name(hit)
            try:
                paint = None
                if redactor is not None:
                    start_s, stop_s = clip_span(hit)
                    paint = redactor.of(hit, start_s=start_s, stop_s=stop_s).paint
                if videos.clip(hit, path, paint=paint):
                    yield path
            except NoVideoError as error:
                on_missing(str(error))


class HitVideos:
    """The videos and pictures in which hits are, read in a confined process: their clips and their frames.

    fetch: as in `export_clips`. Use it from one thread, and close it, or use it in a `with`.
    """

    def __init__(self, lake: Lake, *, fetch: Sequence[str] = ()) -> None:
        self._rule = FetchRule(of_lake=True, allowed=allow(fetch))
        rows = lake.read("sources", columns=["id", "kind"])
        self._kinds: dict[str, str] = dict(zip(*(rows[name].to_pylist() for name in ("id", "kind")), strict=True))
        self._rings = rings_of_state(StateFolder.of(lake.uri).path)
        self._reader = ReaderProcess(ReadConfig(), timeout_s=_READ_TIMEOUT_S)
        self._found: dict[str, Video] = {}  # by id of source: a probe reads the whole file, which may have many hits

    def clip(self, hit: Hit, path: Path, *, paint: Paint | None = None) -> bool:
        """Writes the clip of a hit, painted over if `paint` is given; False for a picture, which has no clip.

        Raises NoVideoError for a feed without video, SourceError and DecodeError otherwise.
        """
        start_s, stop_s = clip_span(hit)
        if self._kinds.get(hit.source_id) == "feed":
            write_cut(self._reader, self._cut(hit, start_s, stop_s), path, uri=hit.source, paint=paint)
            return True
        if self._kinds.get(hit.source_id) != "video":
            return False
        cut_clip(self._reader, self._video(hit), path, start_s=start_s, stop_s=stop_s, paint=paint)
        return True

    def frame(self, hit: Hit) -> ImageArray:
        """The frame of a hit as its source has it, uint8 (H, W, 3) RGB. Raises as `clip` does."""
        if self._kinds.get(hit.source_id) == "feed":
            try:
                found = ring_frames(self._reader, self._rings, uri=hit.source, source_id=hit.source_id, pts=[hit.pts])
                return next(iter(found))
            except SourceError as error:
                raise NoVideoError(str(error)) from error
        is_picture = self._kinds.get(hit.source_id) == "picture"
        place = Location(hit.source, hit.source, fetch=self._rule) if is_picture else self._video(hit)
        return read_frame(self._reader, place, source_id=hit.source_id, pts=hit.pts, pts_s=hit.pts_s)

    def close(self) -> None:
        self._reader.close()

    def __enter__(self) -> "HitVideos":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _cut(self, hit: Hit, start_s: float, stop_s: float) -> Cut:
        try:
            return cut_of_seconds(self._rings, uri=hit.source, source_id=hit.source_id, start_s=start_s, stop_s=stop_s)
        except SourceError as error:
            raise NoVideoError(str(error)) from error

    def _video(self, hit: Hit) -> Video:
        if hit.source_id not in self._found:
            self._found[hit.source_id] = find_video(self._reader, hit.source, self._rule, source_id=hit.source_id)
        return self._found[hit.source_id]


def clip_span(hit: Hit, *, around_s: float = AROUND_S) -> tuple[float, float]:
    """The part of the hit's shot within `around_s` of it, in seconds of the source."""
    return span_around(hit.pts_s, hit.shot_s, around_s=around_s)


def span_around(pts_s: float, shot_s: tuple[float, float] | None, *, around_s: float) -> tuple[float, float]:
    """What is within `around_s` of a frame, in seconds of the source. shot_s: beyond which it does not go, if known."""
    start, stop = pts_s - around_s, pts_s + around_s
    return (start, stop) if shot_s is None else (max(start, shot_s[0]), min(stop, shot_s[1]))


def read_frame(reader: ReaderProcess, place: Location | Video, *, source_id: str, pts: int, pts_s: float) -> ImageArray:
    """A frame of a video, or of the picture at a location, uint8 (H, W, 3) RGB.

    Raises SourceError, and DecodeError where the source has no such frame any more.
    """
    if isinstance(place, Video):
        for at, image in reader.span(place.location, place.source, Span(pts, pts + 1)):
            if at == pts:
                return np.ascontiguousarray(image)
    else:
        for images in reader.frames(place, source_id, [pts]):
            return images[0]
    uri = place.location.uri if isinstance(place, Video) else place.uri
    raise DecodeError(f"{uri} has no frame at {pts_s:.3f} s any more")


def find_video(reader: ReaderProcess, uri: str, rule: FetchRule, *, source_id: str) -> Video:
    """Fetches a remote source, if the rule allows it, and probes it.

    Raises SourceError if it may not be fetched, is gone, is not a video that can be read, or has other contents than
    the source of that id: a recorder may have used the name of its file again.
    """
    location = Location(uri, uri, fetch=rule)
    video = Video(location, reader.probe(location))
    if video.source.id != source_id:
        raise SourceError(f"no clip of {uri} can be cut: its file has other contents than when it was ingested")
    return video


def cut_clip(
    reader: ReaderProcess, video: Video, path: Path, *, start_s: float, stop_s: float, paint: Paint | None = None
) -> None:
    """Encodes the frames with `start_s <= time < stop_s`, as shown, at the times they have in the source; no sound.

    paint: changes each frame before it is encoded.
    """
    _encode(reader, video, path, span_of_seconds(start_s, stop_s, video.source.clock.time_base), paint)


def write_cut(reader: ReaderProcess, cut: Cut, path: Path, *, uri: str, paint: Paint | None = None) -> None:
    """Writes a clip of a feed: its packets as they are where browsers play them, otherwise encoded again as H.264.

    uri: of the recording. paint: changes each frame, so that all are encoded again. Raises SourceError or DecodeError.
    """
    with cut.file() as file:
        location = Location(uri, str(file))
        if paint is not None or cut.meta.pixels not in PLAYABLE.get(cut.meta.codec, ()):
            _encode(reader, Video(location, reader.probe(location)), path, cut.span, paint, shift=cut.meta.shift)
            return
        try:
            with path.open("wb") as out:
                for content in reader.copy(location, cut.span):
                    out.write(content)
        except OSError as error:
            path.unlink(missing_ok=True)
            if isinstance(error, RegionLakeError):
                raise
            raise SourceError(f"no clip of {uri} could be written to {path}: {error}") from error


def _encode(
    reader: ReaderProcess, video: Video, path: Path, span: Span, paint: Paint | None = None, *, shift: int = 0
) -> None:
    """shift: what PTS of the file have more than those of the source."""
    source, base = video.source, video.source.clock.time_base
    try:
        # its index first: a player that reads over HTTP begins at once
        with av.open(str(path), "w", options={"movflags": "faststart"}) as clip:
            rate = Fraction(source.frame_rate).limit_denominator(1001)
            out = clip.add_stream("libx264", rate=rate, options={"crf": "20"})
            out.width, out.height = source.width_px // 2 * 2, source.height_px // 2 * 2  # 4:2:0 needs even sizes
            out.pix_fmt = "yuv420p"
            out.codec_context.colorspace = 5  # BT.601, to which FFmpeg converts RGB
            out.codec_context.time_base = base
            for pts, image in reader.span(video.location, source, span):
                shown = image if paint is None else paint(pts - shift, image)
                pixels = np.ascontiguousarray(shown[: out.height, : out.width])
                picture = VideoFrame.from_ndarray(pixels, "rgb24")
                picture.pts, picture.time_base = pts - span.start, base
                clip.mux(out.encode(picture))
            clip.mux(out.encode())
    except (av.error.FFmpegError, OSError) as error:
        path.unlink(missing_ok=True)
        if isinstance(error, RegionLakeError):
            raise
        raise SourceError(f"no clip of {source.uri} could be written to {path}: {error}") from error
