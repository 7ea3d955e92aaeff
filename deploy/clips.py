"""Cuts a clip around each hit: its shot, at most two seconds to either side, encoded anew as H.264."""

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import takewhile
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

from deploy.wording import clock_time
from operators.readers.probe import probe
from operators.readers.video import VideoReader
from pipeline.lake.lake import Lake
from pipeline.sources import Location, local_path
from schemas.errors import RegionLakeError, SourceError
from schemas.query import Hit, SearchResult

AROUND_S = 2.0


def export_clips(result: SearchResult, *, lake: Lake, folder: Path) -> Iterator[Path]:
    """Writes `RANK_NAME_TIME.mp4` for every hit in a video and yields the paths; a picture has no clip.

    Raises SourceError when a source is no longer where it was, or can no longer be decoded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = lake.read("sources", columns=["id", "kind"])
    videos = {id for id, kind in zip(*(rows[c].to_pylist() for c in ("id", "kind")), strict=True) if kind == "video"}
    for hit in result.hits:
        if hit.source_id not in videos:
            continue
        name = re.sub(r"[^\w.-]", "_", Path(hit.source).stem)
        path = folder / f"{hit.rank:02}_{name}_{clock_time(hit.pts_s).replace(':', '-')}.mp4"
        start_s, stop_s = clip_span(hit)
        cut_clip(hit.source, path, start_s=start_s, stop_s=stop_s)
        yield path


def clip_span(hit: Hit, *, around_s: float = AROUND_S) -> tuple[float, float]:
    """The part of the hit's shot within `around_s` of it, in seconds of the source."""
    start, stop = hit.pts_s - around_s, hit.pts_s + around_s
    return (start, stop) if hit.shot_s is None else (max(start, hit.shot_s[0]), min(stop, hit.shot_s[1]))


def cut_clip(uri: str, path: Path, *, start_s: float, stop_s: float) -> None:
    """Encodes the frames with `start_s <= time < stop_s`, as shown, at the times they have in the source; no sound."""
    file = str(local_path(Location(uri, uri), on_progress=lambda: None))
    source = probe(file, uri=uri)
    base = source.clock.time_base
    # rounded, not up: borders of shots come here through float seconds
    start, stop = round(Fraction(start_s) / base), round(Fraction(stop_s) / base)
    try:
        with VideoReader(file, source) as reader, av.open(str(path), "w") as clip:
            rate = Fraction(source.frame_rate).limit_denominator(1001)
            out = clip.add_stream("libx264", rate=rate, options={"crf": "20"})
            out.width, out.height = source.width_px // 2 * 2, source.height_px // 2 * 2  # what 4:2:0 can hold
            out.pix_fmt = "yuv420p"
            out.codec_context.colorspace = 5  # BT.601, which is what FFmpeg makes of RGB
            out.codec_context.time_base = base
            for frame in takewhile(lambda frame: frame.pts < stop, reader.frames(start)):
                if frame.pts >= start:
                    pixels = np.ascontiguousarray(frame.image()[: out.height, : out.width])
                    picture = VideoFrame.from_ndarray(pixels, "rgb24")
                    picture.pts, picture.time_base = frame.pts - start, base
                    clip.mux(out.encode(picture))
            clip.mux(out.encode())
    except (av.error.FFmpegError, OSError) as error:
        path.unlink(missing_ok=True)
        if isinstance(error, RegionLakeError):
            raise
        raise SourceError(f"no clip of {uri} could be written to {path}: {error}") from error
