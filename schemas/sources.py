"""Sources of pictures, and the segments in which they are read, retried and committed."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from schemas.clock import Clock, Span
from schemas.errors import InvalidValueError
from schemas.shots import CutEvent

SourceKind = Literal["video", "picture", "feed"]
_BEGAN = re.compile(r"#\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")  # as `recording_uri` writes it


@dataclass(frozen=True, slots=True)
class Source:
    """A video file or a picture, as a probe describes it, or a recording of a feed (`recording_uri`).

    uri: absolute path or URL, shown to people and used to filter.
    id: hash of its bytes; the same file at another place is the same source.
    width_px, height_px: of the picture as it is shown, rotation applied.
    span: all of it, `[first PTS, end)`; a picture is `[0, 1)` in a time base of one second.
    sync_pts: PTS at which decoding can start (key pictures of the codec), ascending; includes span.start.
    frame_rate: average frames per second, for PySceneDetect's frame numbers and for progress; 0 for a picture.
    """

    uri: str
    id: str
    kind: SourceKind
    clock: Clock
    span: Span
    width_px: int
    height_px: int
    sync_pts: tuple[int, ...]
    frame_rate: float
    codec: str

    def __post_init__(self) -> None:
        if not self.sync_pts:
            raise InvalidValueError(f"{self.uri}: a source needs at least one sync point")


def recording_uri(feed: str, began: datetime) -> str:
    """The URI in the lake of the recording of a feed that began at that time: `gate#2026-05-01T12:00:00.250Z`.

    A followed folder whose recorder uses the name of a file again has the new contents under such a URI too, with the
    time at which they were last written: `/videos/cam.ts#2026-05-01T12:00:00.250Z`.
    """
    return f"{feed}#{began.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{began.microsecond // 1000:03}Z"


def feed_name(uri: str) -> str:
    """The name of the feed of a recording, or the URI of the file, from the recording's URI; any other is unchanged."""
    return _BEGAN.sub("", uri)


def recording_began(uri: str) -> str:
    """The time at which a recording began, from its URI: `2026-05-01T12:00:00.250Z`; "" where it has none."""
    found = _BEGAN.search(uri)
    return "" if found is None else found[0].removeprefix("#")


@dataclass(frozen=True, slots=True)
class Segment:
    """The unit of work, retry and commit: the frames of `source` with PTS in `span`."""

    source: Source
    span: Span
    id: str


@dataclass(frozen=True, slots=True)
class SegmentReport:
    """Counts from reading a segment; all of them are of frames with PTS in the segment's span.

    first_pts, last_pts: of the decoded frames; None where the span contains none.
    shed: keyframes of a feed that were dropped because the models were busy.
    """

    frames_decoded: int
    near_duplicates: int
    first_pts: int | None
    last_pts: int | None
    cut_events: tuple[CutEvent, ...]
    shed: int = 0
