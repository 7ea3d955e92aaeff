"""What the client sends and receives: queries as JSON, and hits from JSON."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, get_type_hints

from schemas.errors import (
    DecodeError,
    InvalidValueError,
    QueryError,
    RegionLakeError,
    ServiceError,
    SourceError,
)
from schemas.options import options_of
from schemas.query import BoxTuple, Explanation, Hit, Place, Query, SearchResult
from schemas.query_json import SOMETIMES
from schemas.zones import Zone

_OF_STATUS: dict[int, type[RegionLakeError]] = {404: QueryError, 410: SourceError, 415: DecodeError, 422: QueryError}
_PLACE = {each.name: get_type_hints(Place)[each.name] for each in fields(Place) if each.name != "mask"}


def query_body(query: Query, *, image: str | None) -> dict[str, object]:
    """The query as the service reads it; options that have their default are omitted.

    image: the id of the uploaded picture. Ids of sources are those that the service gives its sources.
    """
    body: dict[str, object] = {}
    for each in options_of(Query):
        value = getattr(query, each.field)
        if value == each.default or each.field == "image":
            continue
        if each.field == "methods":
            value = {method.name: method.weight for method in query.weighted_methods}
        elif each.field == "zones":
            value = [_zone_body(Zone.of(zone)) for zone in query.zones]
        elif isinstance(value, datetime):
            value = (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
        body["sources" if each.field == "source_ids" else each.name] = value
    return body if image is None else body | {"image": image}


def result_of(answer: Mapping[str, Any], query: Query) -> SearchResult:
    """The answer to a query. Raises ServiceError where it is none."""
    try:
        hits = tuple(_hit(each) for each in answer["hits"])
        region = None if answer["region"] is None else _box(answer["region"])
        explained = answer.get("explained")  # None for who sees a part of the lake
        return SearchResult(
            query,
            answer["took_ms"],
            answer["exact"],
            answer["candidates"],
            hits,
            region,
            by_meaning_alone=tuple(answer.get("by_meaning_alone", ())),
            omitted=tuple(answer.get("omitted", ())),
            access_path=answer.get("access_path", ""),
            recall_target=answer.get("recall_target"),
            explanation=None if explained is None else Explanation(**explained),
            shards=answer.get("shards", 0),
            from_lake=tuple(answer.get("from_lake", ())),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ServiceError(f"the service answered what this client does not read ({error}); use its version") from error


def error_of(status: int, sentence: str) -> RegionLakeError:
    """What an answer with an error raises."""
    return _OF_STATUS.get(status, ServiceError)(sentence)


def _zone_body(zone: Zone) -> dict[str, object]:
    found: dict[str, object] = {"corners": zone.corners}
    if zone.source is not None:
        found["source"] = zone.source
    return found | {"sources": zone.source_ids} if zone.source_ids else found


def _hit(row: Mapping[str, Any]) -> Hit:
    place: dict[str, Any] = {name: row[name] for name in _PLACE if name not in SOMETIMES or name in row}
    place["box"] = _box(row["box"])
    shot_s = row["shot_s"]
    return Hit(
        rank=row["rank"],
        distance=row["distance"],
        place=Place(**place),
        source=row["source"],
        source_id=row["source_id"],
        pts=row["pts"],
        pts_s=row["pts_s"],
        time=None if row["time"] is None else datetime.fromisoformat(row["time"]),
        shot_s=None if shot_s is None else (shot_s[0], shot_s[1]),
        frame_id=row["frame_id"],
        then=None if row.get("then") is None else _hit(row["then"]),
    )


def _box(sides: Any) -> BoxTuple:
    if len(sides) != 4:
        raise InvalidValueError(f"a box has four sides, got {sides}")
    x0, y0, x1, y1 = sides
    return x0, y0, x1, y1
