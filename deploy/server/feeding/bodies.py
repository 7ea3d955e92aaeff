"""Feeds in JSON."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from deploy.server.asking.query_body import Text

EXAMPLE = {"name": "gate", "url": "rtsp://10.0.0.5/stream", "user": "viewer", "password": "of the camera"}


class FeedBody(BaseModel):
    """A stream to be followed. The user and the password are in no answer."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=r"^[\w.-]{1,100}$")]
    url: Annotated[str, Field(max_length=2000)]
    user: Text | None = None
    password: Text | None = None
    paused: bool = False


class FeedStateAnswer(BaseModel):
    """A feed, as the follower reported it last. address: without secrets; None for a folder or a file.

    state: `connecting`, `live`, `stalled`, `backing off`, `paused`, `failed`, or `unknown` while no follower reports.
    shed: the share of keyframes that were dropped because the models were busy. changeable: whether it is in the file
    of the service. newest_frame, newest: its last keyframe.
    """

    name: str
    address: str | None
    state: str
    since: datetime | None
    paused: bool
    behind_s: float | None
    frames_per_s: float
    keyframes: int
    shed: float
    error: str | None
    changeable: bool
    source_id: str | None
    newest_frame: str | None
    newest: datetime | None


class FollowerAnswer(BaseModel):
    """The follower of this lake. running: whether it reported in the last ten seconds.

    findable_s: how soon keyframes can be found, at the 95th percentile. error: why the file of feeds cannot be read,
    the lake cannot be written, or the follower ended.
    """

    running: bool
    reported: datetime | None
    findable_s: float | None
    error: str | None


class FeedStatesAnswer(BaseModel):
    """Feeds by name. can_add: whether feeds may be added here."""

    feeds: list[FeedStateAnswer]
    follower: FollowerAnswer
    can_add: bool
