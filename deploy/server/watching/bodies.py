"""Watches in JSON: as the service reads them, and as it answers with them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from deploy.server.asking.answer_models import HitAnswer
from deploy.server.asking.query_body import EXAMPLES, Finite, SearchBody, Text

Seconds = Annotated[float, Field(ge=0, le=10_000_000, allow_inf_nan=False)]
_ASKED = EXAMPLES["words and a box"] | {"min_confidence": 0.6}
EXAMPLE: dict[str, Any] = {
    "title": "A bicycle at the gate, at night",
    "query": {key: value for key, value in _ASKED.items() if key != "k"},
    "hours": "mon-fri 20:00-06:00 Europe/Berlin",
    "cooldown_s": 60.0,
}


class WatchedQuestion(BaseModel):
    """What a watch looks for, and which hits it reports."""

    model_config = ConfigDict(extra="forbid")

    query: SearchBody = Field(
        description="A query that one new frame can answer, with `sources` by their ids; `k`, `order` and `group` mean "
        "nothing here."
    )
    max_distance: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        None, description="The largest distance of a hit, for boxes alone and for models without confidences."
    )
    cooldown_s: Seconds = Field(0.0, description="After a hit, report no other one of that source for this long.")
    stay_s: Seconds = Field(
        0.0, description="The least stay: hits that are at most 30 s apart are one, which is reported once."
    )
    hours: Text | None = Field(
        None,
        description="When hits are reported: `mon-fri 20:00-06:00 Europe/Berlin`; days and zone may be omitted.",
    )


class WatchBody(WatchedQuestion):
    """A watch."""

    title: Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
    paused: bool = Field(False, description="Keep it, and report nothing.")


class RehearsalBody(WatchedQuestion):
    """A watch that is not saved yet, and a part of the past."""

    since: Finite | Text | None = Field(None, description="The bound of a query of this name.")
    until: Finite | Text | None = Field(None, description="The bound of a query of this name.")


class WatchAnswer(BaseModel):
    """A watch. name: its id. query: what it asks, without options that are not set. fired, recently: numbers of alarms,
    since it was saved and in the last seven days. error: why it is not evaluated."""

    name: str
    title: str
    paused: bool
    query: dict[str, Any]
    sources: list[str]
    max_distance: float | None
    cooldown_s: float
    stay_s: float
    hours: str | None
    fired: int
    recently: int
    newest: datetime | None
    error: str | None


class WatchListAnswer(BaseModel):
    """Watches in the order in which they were saved. watching: how many are evaluated. behind: segments of the lake
    that are still to be evaluated. error: why nothing is evaluated at the moment."""

    watches: list[WatchAnswer]
    watching: int
    behind: int
    error: str | None


class AlarmAnswer(HitAnswer):  # type: ignore[misc]
    """A hit that a watch reported. source_id: None where the lake does not have its source any more."""

    id: str
    found_at: datetime
    rank: int | None
    source_id: str | None
    pts: int | None = None


class AlarmListAnswer(BaseModel):
    """Alarms of a watch, newest first."""

    alarms: list[AlarmAnswer]
    more: bool


class RehearsalAnswer(BaseModel):
    """What a watch would have reported.

    by: what its limit is compared with. frames: keyframes that were compared; more: whether there are others, which are
    further from what is asked. counts: of these frames in equal steps from low to high. fired: how often it would have
    fired, once hours, stays and cooldowns are regarded; hits: the last of these, newest first. above, below: frames
    nearest to the limit that pass it, and that do not.
    """

    by: Literal["confidence", "distance"]
    limit: float
    low: float
    high: float
    counts: list[int]
    frames: int
    more: bool
    fired: int
    hits: list[HitAnswer]
    above: list[HitAnswer]
    below: list[HitAnswer]
