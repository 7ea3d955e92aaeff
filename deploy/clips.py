"""Cuts a clip around each hit: its shot, at most two seconds to either side, as H.264.

Clips of files are encoded again. Those of feeds are copied from the ring where browsers play its codec.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

from deploy.clip_names import clip_name
from operators.readers.copied_clip import PLAYABLE
from pipeline.lake.lake import Lake
from pipeline.live.status.state_folder import StateFolder
from pipeline.reading.fetch_rule import FetchRule, allow
from pipeline.reading.keyframe_stream import ReadConfig
from pipeline.reading.reader_process import ReaderProcess
from pipeline.reading.sources import Location
from pipeline.ring.cut import Cut, cut_of_seconds
from pipeline.ring.feed_ring import rings_of_state
from schemas.clock import Span
from schemas.errors import RegionLakeError, SourceError
from schemas.query import Hit, SearchResult
from schemas.sources import Source

_log = logging.getLogger(__name__)
AROUND_S = 2.0
_READ_TIMEOUT_S = 60.0


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
) -> Iterator[Path]:
    """Writes `RANK_NAME_TIME.mp4` for every hit in a video or a feed and yields the paths; a picture has no clip.

    on_missing: called with the reason for each hit of a feed of which no video is kept, or not any more.
    fetch: hosts and buckets from which sources may be fetched. Names of sources are data of the lake, which may be
        somebody else's: otherwise only files of this machine are opened.

    Raises SourceError when a source is gone or can no longer be decoded, and RegionLakeError when the folder cannot be
    made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RegionLakeError(f"the folder of clips {folder} cannot be made: {error}") from error
    rule = FetchRule(of_lake=True, allowed=allow(fetch))
    rows = lake.read("sources", columns=["id", "kind"])
    kinds: dict[str, str] = dict(zip(*(rows[name].to_pylist() for name in ("id", "kind")), strict=True))
    rings = rings_of_state(StateFolder.of(lake.uri).path)
    with ReaderProcess(ReadConfig(), timeout_s=_READ_TIMEOUT_S) as reader:
        yield from _clips(result, reader, kinds, folder, rule, rings, on_missing)


def _clips(
    result: SearchResult,
    reader: ReaderProcess,
    kinds: Mapping[str, str],
    folder: Path,
    rule: FetchRule,
    rings: Path,
    on_missing: Callable[[str], None],
) -> Iterator[Path]:
    found: dict[str, Video] = {}  # by id of source: a probe reads the whole file, and many hits may be in one
    for hit in result.hits:
        path = folder / clip_name(hit)
        start_s, stop_s = clip_span(hit)
        if kinds.get(hit.source_id) == "feed":
            try:
                cut = cut_of_seconds(rings, uri=hit.source, source_id=hit.source_id, start_s=start_s, stop_s=stop_s)
            except SourceError as error:
                on_missing(str(error))
                continue
            write_cut(reader, cut, path, uri=hit.source)
            yield path
        if kinds.get(hit.source_id) != "video":
            continue
        if hit.source_id not in found:
            found[hit.source_id] = find_video(reader, hit.source, rule, source_id=hit.source_id)
        cut_clip(reader, found[hit.source_id], path, start_s=start_s, stop_s=stop_s)
        yield path


def clip_span(hit: Hit, *, around_s: float = AROUND_S) -> tuple[float, float]:
    """The part of the hit's shot within `around_s` of it, in seconds of the source."""
    start, stop = hit.pts_s - around_s, hit.pts_s + around_s
    return (start, stop) if hit.shot_s is None else (max(start, hit.shot_s[0]), min(stop, hit.shot_s[1]))


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


def cut_clip(reader: ReaderProcess, video: Video, path: Path, *, start_s: float, stop_s: float) -> None:
    """Encodes the frames with `start_s <= time < stop_s`, as shown, at the times they have in the source; no sound."""
    base = video.source.clock.time_base
    # rounded to nearest: borders of shots arrive as float seconds
    start, stop = round(Fraction(start_s) / base), round(Fraction(stop_s) / base)
    _encode(reader, video, path, Span(start, max(start + 1, stop)))


def write_cut(reader: ReaderProcess, cut: Cut, path: Path, *, uri: str) -> None:
    """Writes a clip of a feed: its packets as they are where browsers play them, otherwise encoded again as H.264.

    uri: of the recording. Raises SourceError or DecodeError.
    """
    with cut.file() as file:
        location = Location(uri, str(file))
        if cut.meta.pixels not in PLAYABLE.get(cut.meta.codec, ()):
            _encode(reader, Video(location, reader.probe(location)), path, cut.span)
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


def _encode(reader: ReaderProcess, video: Video, path: Path, span: Span) -> None:
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
                pixels = np.ascontiguousarray(image[: out.height, : out.width])
                picture = VideoFrame.from_ndarray(pixels, "rgb24")
                picture.pts, picture.time_base = pts - span.start, base
                clip.mux(out.encode(picture))
            clip.mux(out.encode())
    except (av.error.FFmpegError, OSError) as error:
        path.unlink(missing_ok=True)
        if isinstance(error, RegionLakeError):
            raise
        raise SourceError(f"no clip of {source.uri} could be written to {path}: {error}") from error
