"""The answer to a search as OpenAPI describes it, from the declarations of `schemas.query`."""

from dataclasses import fields
from datetime import datetime
from typing import Any, get_type_hints

from pydantic import BaseModel, Field, create_model

from schemas.query import Hit, Place
from schemas.query_json import COLUMNS_FIRST, SOMETIMES

_OMITTED = {"place", "mask", "then"}  # a part of a frame is shown as a picture


def _hit_fields() -> dict[str, Any]:
    hints = get_type_hints(Hit) | get_type_hints(Place)
    names = [each.name for declared in (Hit, Place) for each in fields(declared) if each.name not in _OMITTED]
    ordered = sorted(names, key=lambda name: COLUMNS_FIRST.index(name) if name in COLUMNS_FIRST else len(COLUMNS_FIRST))
    return {name: (hints[name], Field(None if name in SOMETIMES else ...)) for name in ordered}


_Moment = create_model("Moment", **_hit_fields())
HitAnswer = create_model(
    "Hit",
    __base__=_Moment,
    then=(_Moment | None, Field(None, description="What followed, where the query asks for it.")),
)


class GroupAnswer(BaseModel):
    """Hits that belong together."""

    source: str
    source_id: str
    ranks: list[int]
    start_s: float
    stop_s: float
    start: datetime | None
    stop: datetime | None


class SearchAnswer(BaseModel):
    """The answer to a search."""

    query: dict[str, Any]
    took_ms: float
    exact: bool
    recall_target: float | None = Field(description="The share of the exact hits that an almost exact answer has.")
    access_path: str = Field(description="float16, int8, disk, or index, which reads some of the regions.")
    shards: int = Field(description="Number of parts over which the lake is shared out; 0 for one process.")
    from_lake: list[int] = Field(description="Parts that were ranked from the lake, because their actors were away.")
    explained: dict[str, Any] | None = Field(
        description="What was read, why in this way, and how long each step took; for somebody who sees all sources."
    )
    candidates: int
    without_vector: int
    generation: int
    region: tuple[float, float, float, float] | None
    by_meaning_alone: list[str] = Field([], description="Searched sources for which the query has no zone.")
    omitted: list[str] = Field([], description="Sources for which a query with zones and nothing else has none.")
    hits: list[HitAnswer]  # type: ignore[valid-type]
    groups: list[GroupAnswer]
