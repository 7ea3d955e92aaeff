"""Cuts a clip around each hit: its shot, at most two seconds to either side, encoded anew as H.264."""

import re
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from deploy.cli.output import clock_time
from pipeline.lake.lake import Lake
from pipeline.sources import Location, local_path
from schemas.errors import SourceError
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
    """Encodes the frames with `start_s <= time < stop_s`, upright, at the times they have in the source."""
    file = local_path(Location(uri, uri), on_progress=lambda: None)
    try:
        with av.open(str(file)) as container, av.open(str(path), "w") as clip:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            out: VideoStream | None = None
            first_pts = 0
            for frame in _frames(container, stream, start_s=start_s, stop_s=stop_s):
                upright = _upright(frame)
                if out is None:
                    # a rate is asked for; the frames' own times are what is written
                    out = clip.add_stream("libx264", rate=stream.average_rate or 25, options={"crf": "20"})
                    out.width, out.height = upright.width - upright.width % 2, upright.height - upright.height % 2
                    out.pix_fmt = "yuv420p"
                    out.codec_context.time_base = stream.time_base
                    first_pts = frame.pts or 0
                picture = upright.reformat(width=out.width, height=out.height, format="yuv420p")
                picture.pts, picture.time_base = (frame.pts or 0) - first_pts, stream.time_base
                clip.mux(out.encode(picture))
            if out is None:
                raise SourceError(f"{uri} has no frame between {start_s:.2f} and {stop_s:.2f} s; was it changed since?")
            clip.mux(out.encode())
    except (av.error.FFmpegError, OSError, IndexError) as error:
        path.unlink(missing_ok=True)
        raise error if isinstance(error, SourceError) else SourceError(f"no clip of {uri}: {error}") from error


def _frames(
    container: av.container.InputContainer, stream: VideoStream, *, start_s: float, stop_s: float
) -> Iterator[VideoFrame]:
    base = stream.time_base
    assert base is not None  # every opened video stream has one
    container.seek(int(start_s / base), stream=stream)
    for frame in container.decode(stream):
        if frame.pts is None:
            continue
        time_s = float(frame.pts * base)
        # half a millisecond: shot borders came through float seconds
        if time_s >= stop_s - 5e-4:
            return
        if time_s >= start_s - 5e-4:
            yield frame


def _upright(frame: VideoFrame) -> VideoFrame:
    """The frame as shown: a phone's rotation flag applied to its pixels."""
    quarter_turns = round(frame.rotation / 90) % 4
    if not quarter_turns:
        return frame
    return VideoFrame.from_ndarray(
        np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), quarter_turns)), "rgb24"
    )
