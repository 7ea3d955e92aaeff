"""The answers about a lake as OpenAPI describes them."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from deploy.server.asking.warm_search import ModelState

Box = tuple[float, float, float, float]


class SourceAnswer(BaseModel):
    """A file, a picture, or a feed with all its recordings. start, stop: of its keyframes."""

    id: str
    name: str
    kind: str
    state: str
    recordings: int
    keyframes: int
    width_px: int | None
    height_px: int | None
    start_s: float | None
    stop_s: float | None
    start: datetime | None
    stop: datetime | None
    newest_frame: str | None
    error: str | None


class SourceListAnswer(BaseModel):
    """Sources by name."""

    sources: list[SourceAnswer]


class ListedFrame(BaseModel):
    """A keyframe."""

    id: str
    source_id: str
    pts_s: float
    time: datetime | None


class FrameListAnswer(BaseModel):
    """Keyframes in order of time. more: whether `limit` left some out."""

    frames: list[ListedFrame]
    more: bool


class RegionAnswer(BaseModel):
    """A region of a keyframe. human_label, verdict: what people say of it, as in a hit."""

    id: str
    box: Box
    proposer: str
    score: float
    label: str | None
    track: str | None
    human_label: str | None
    verdict: str | None


class FrameAnswer(BaseModel):
    """A keyframe. clip_s: the part of its source that its clip shows, whose time 0 is the start."""

    id: str
    source: str
    source_id: str
    pts_s: float
    time: datetime | None
    width_px: int
    height_px: int
    previous: str | None
    next: str | None
    clip_s: tuple[float, float] | None
    regions: list[RegionAnswer]


class SourceActivity(BaseModel):
    """Counts of one source."""

    id: str
    name: str
    keyframes: list[int]
    regions: list[int]


class ActivityAnswer(BaseModel):
    """Counts in equal steps of time from `since` on."""

    clock: Literal["utc", "source"]
    since: datetime | float
    until: datetime | float
    step_s: float
    keyframes: list[int]
    regions: list[int]
    sources: list[SourceActivity]


class ModelAnswer(BaseModel):
    """The model of the lake's vectors. confidence: whether hits have one."""

    name: str
    state: ModelState
    error: str | None
    confidence: bool | None


class LakeAnswer(BaseModel):
    """What the lake holds. generation: grows when rows arrive."""

    name: str
    keyframes: int
    regions: int
    sources: dict[str, int]
    segments: dict[str, int]
    generation: int
    disk_bytes: int | None
    writer: str | None
    error: str | None
    refusals: list[dict[str, Any]]


class FeedAnswer(BaseModel):
    """A feed as the follower of this lake reported it last."""

    name: str
    state: str
    since: datetime
    behind_s: float | None
    frames_per_s: float
    error: str | None
    reported: datetime


class SearchesAnswer(BaseModel):
    """The searches of this process. p50_ms, p95_ms: of the last thousand."""

    answered: int
    running: int
    waiting: int
    p50_ms: float | None
    p95_ms: float | None


class StatusAnswer(BaseModel):
    """The state of the service."""

    version: str
    started: datetime
    model: ModelAnswer
    lake: LakeAnswer
    feeds: list[FeedAnswer]
    searches: SearchesAnswer


class TableAnswer(BaseModel):
    """A table of the lake. bytes: of its newest version. fragments: files that a scan opens."""

    name: str
    rows: int
    bytes: int
    fragments: int


class VideoAnswer(BaseModel):
    """The video that is kept of a feed."""

    feed: str
    files: int
    bytes: int
    first: datetime
    last: datetime


class PassAnswer(BaseModel):
    """A pass of upkeep. put_off: fragments that are joined by a later one."""

    began: datetime
    took_s: float
    fragments_before: int
    fragments_after: int
    freed_bytes: int
    removed: int
    trimmed: int
    removed_bytes: int
    video_files: int
    video_bytes: int
    put_off: int
    video_waits: bool
    errors: list[str]


class UpkeepAnswer(BaseModel):
    """Upkeep, and what it did since it began. doing: null between passes. held: what waits to be released, and how."""

    at: datetime
    since: datetime
    doing: str | None
    passes: int
    failed_passes: int
    removed: int
    removed_bytes: int
    last: PassAnswer | None
    held: list[str]
    last_error: str | None


class LakeStorageAnswer(BaseModel):
    """What the lake takes up. disk_bytes: with old versions and video; null for a bucket. upkeep: null if none ran.

    refused_batches: rows of feeds that the lake did not accept, which are kept beside it.
    """

    tables: list[TableAnswer]
    disk_bytes: int | None
    near_duplicates: int | None
    video: list[VideoAnswer]
    upkeep: UpkeepAnswer | None
    refused_batches: int
