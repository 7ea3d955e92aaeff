"""Pins in JSON."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from deploy.server.asking.query_body import Text

EXAMPLE = {"frame": "5f1c0e6a3c1d4b7f8e2d5c6b7a8f9e0d", "days": 30}
MOST_DAYS = 3660


class PinBody(BaseModel):
    """A shot to be kept."""

    model_config = ConfigDict(extra="forbid")

    frame: Text = Field(description="A keyframe of the lake, whose shot is kept.")
    days: Annotated[float, Field(gt=0, le=MOST_DAYS, allow_inf_nan=False)] | None = Field(
        None, description="For how long from now; for ever without it."
    )


class PinAnswer(BaseModel):
    """A pin: every shot that overlaps it is kept. start_s, stop_s: of the pinned span within its source; None for all
    of it. start, stop: the same in UTC, where that is known. frame: a keyframe of it, if the lake has one. expires:
    when the service removes the pin; None for never."""

    id: str
    source: str
    source_id: str | None
    start_s: float | None
    stop_s: float | None
    start: datetime | None
    stop: datetime | None
    frame: str | None
    pinned_at: datetime
    expires: datetime | None


class PinListAnswer(BaseModel):
    """Pins, oldest first. error: why expired ones cannot be removed at the moment."""

    pins: list[PinAnswer]
    error: str | None
