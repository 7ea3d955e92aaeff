"""A query in JSON, as the service reads it: the options of `schemas.query.Query`, and how its answer is arranged."""

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from schemas.clock import in_utc
from schemas.errors import QueryError
from schemas.options import Option, options_of
from schemas.prompts import PointTuple
from schemas.query import BoxTuple, MethodName, Moment, PictureSource, Query, WeightedMethod, ZoneShape
from schemas.zones import Zone

MOST_HITS = 1000
_MOST_SIGNS = 4096
_MOST_ITEMS = 256
_OF_SERVICE = {"source", "source_ids"}  # their URIs and ids are the server's own
Order = Literal["relevance", "newest", "oldest"]
Grouping = Literal["none", "source", "visit"]


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("the text has a lone surrogate, which is no character") from None
    return text


Text = Annotated[str, Field(max_length=_MOST_SIGNS), AfterValidator(_encodable)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
_WIRE: dict[object, Any] = {
    str: Text,
    float: Finite,
    BoxTuple: tuple[Share, Share, Share, Share],
    PointTuple: tuple[Share, Share],
    Moment: Finite | Text,
    PictureSource: Text,
}
_DESCRIBED = {
    "image": "The id of an uploaded picture: look for what it shows, alone or together with a text.",
    "since": "The earliest moment: a text is ISO 8601 in UTC, a number seconds within each source.",
    "methods": "How frames are ranked: names, or an object of names and weights.",
}
EXAMPLES: dict[str, dict[str, object]] = {
    "words and a box": {"text": "a bicycle", "box": [0.5, 0.4, 1.0, 1.0], "k": 3},
    "like a region, newest first": {"region": "a90e0f6a3c1d4b7f8e2d5c6b7a8f9e0d", "order": "newest"},
    "a part of an uploaded picture": {"image": "0b1c2d3e4f5061728394a5b6c7d8e9f0", "roi": [0.0, 0.0, 0.5, 1.0]},
    "somewhere in an area": {"text": "a bicycle", "zones": [[[0.5, 0.4], [1.0, 0.4], [1.0, 1.0], [0.3, 1.0]]]},
    "visits to a place": {"box": [0.0, 0.5, 0.3, 1.0], "geometry": "centroid", "group": "visit", "k": 100},
}


class ServedZone(BaseModel):
    """An area of the frame, drawn for some sources."""

    model_config = ConfigDict(extra="forbid")

    corners: list[tuple[Share, Share]] = Field(
        max_length=_MOST_ITEMS, description="Of a polygon, in order around it; fractions of the frame."
    )
    source: Text | None = Field(None, description="For sources whose name contains this, or matches it as a glob.")
    sources: list[Text] = Field([], max_length=_MOST_ITEMS, description="For these sources, by their ids.")


GivenZone = Text | tuple[Share, Share, Share, Share] | list[tuple[Share, Share]] | ServedZone
_WIRE[ZoneShape] = GivenZone


class ServedQuery(BaseModel):
    """What a search over HTTP has besides the options of a query."""

    model_config = ConfigDict(extra="forbid")

    region: Text | None = Field(
        None, description="Look for what this region of the lake shows: the region_id of a hit."
    )
    sources: list[Text] = Field([], max_length=_MOST_ITEMS, description="Only these sources, by their ids.")
    source: Text | None = Field(None, description="Only sources whose name contains this, or matches it as a glob.")
    order: Order = Field("relevance", description="The order of the k nearest; `rank` is that of relevance in each.")
    group: Grouping = Field(
        "none",
        description="`visit`: hits of one track, or of one source that are less than 30 s apart.",
    )


def _fields() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in options_of(Query):
        if each.field not in _OF_SERVICE:
            # Query's field is the attribute; JSON has the option's name
            default = list(each.default) if isinstance(each.default, tuple) else each.default
            limits: dict[str, Any] = {"ge": each.least, "le": MOST_HITS if each.field == "k" else each.most}
            about = _DESCRIBED.get(each.field, each.help)
            if each.field == "methods":
                default, kind = ["regions"], dict[MethodName, Finite] | list[MethodName]
                limits = {"max_length": len(get_args(MethodName))}
            else:
                kind, limits = _wire(each, limits)
            given = {name: value for name, value in limits.items() if value is not None}
            found[each.field] = (kind, Field(default, alias=each.name, description=about, **given))
    return found


def _wire(each: Option, limits: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    parts = [part for part in get_args(each.type) if part is not NoneType]
    if get_args(each.type)[-1:] == (Ellipsis,):
        return list.__class_getitem__(_WIRE[parts[0]]), {"max_length": _MOST_ITEMS}
    if NoneType not in get_args(each.type):
        return _WIRE.get(each.type, each.type), limits
    bare = next(known for known in (*_WIRE, each.type) if known | None == each.type)  # type: ignore[operator]
    return _WIRE[bare] | None, limits


if TYPE_CHECKING:
    SearchBody = ServedQuery
else:
    SearchBody = create_model("SearchBody", __base__=ServedQuery, __doc__="A query.", **_fields())


def query_of(
    body: ServedQuery,
    *,
    replaced: dict[str, Any],
    picture: Callable[[str], PictureSource],
    sources: Callable[[Sequence[str], str | None], tuple[str, ...]],
) -> Query:
    """The query of a request. replaced: fields whose values the service knows better.

    picture: id of an upload → its pixels. sources: ids of the service and a part of a name → the lake's ids. Raises
    QueryError as Query does.
    """
    fields: dict[str, Any] = {}
    for each in options_of(Query):
        if each.field in _OF_SERVICE:
            continue
        value = getattr(body, each.field)
        if each.field == "methods":
            named = value.items() if isinstance(value, dict) else ((name, 1.0) for name in value)
            value = tuple(WeightedMethod(name, weight) for name, weight in named)
        elif each.field in ("since", "until") and isinstance(value, str):
            value = moment(value, name=each.field)
        elif each.field == "image" and value is not None:
            value = picture(value)
        elif each.field == "zones":
            value = tuple(_zone(given, sources) for given in value)
        elif isinstance(value, list):
            value = tuple(value)
        fields[each.field] = value
    return Query(**(fields | replaced))


def _zone(given: Any, sources: Callable[[Sequence[str], str | None], tuple[str, ...]]) -> Zone:
    """given: of the type GivenZone. A zone of the lake's sources, for a name is that of the service."""
    drawn = Zone(tuple(given.corners), given.source) if isinstance(given, ServedZone) else Zone.of(given)
    ids = given.sources if isinstance(given, ServedZone) else ()
    if drawn.source is None and not ids:
        return drawn
    chosen = sources(ids, drawn.source)
    if not chosen:
        raise QueryError(f"no source of the lake matches {drawn.source!r}, for which a zone was drawn")
    return Zone(drawn.corners, source_ids=chosen)


def moment(text: str, *, name: str) -> datetime:
    """ISO 8601 in UTC, unless it names another zone. Raises QueryError."""
    try:
        return in_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise QueryError(
            f"`{name}` is {text!r}, which is no time; write 2026-05-01T12:00:00Z, or a number of seconds"
        ) from None


def moment_of(text: str | None, *, name: str) -> Moment | None:
    """A parameter of an address: seconds within a source if it is a number, else a moment in UTC."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        return moment(text, name=name)
    if not math.isfinite(seconds):
        raise QueryError(f"`{name}` must be finite, got {text}")
    return seconds
