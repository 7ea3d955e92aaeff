"""A query and its answer as JSON: the output of `regionlake search --json`, and the lines of a watch."""

from dataclasses import asdict, fields
from datetime import datetime

from schemas.options import options_of
from schemas.pictures import Picture
from schemas.query import Explanation, Hit, Query, SearchResult
from schemas.zones import Zone

Json = dict[str, object]
# the order of a hit's columns; columns that were added later follow
COLUMNS_FIRST = "rank distance semantic geometric source pts_s time shot_s box frame_id region_id proposer".split()
SOMETIMES = frozenset({"until_s"})  # fields of a hit that are there only where what stands is stored once
_OMITTED = {"place", "source_id", "pts", "mask", "then", *SOMETIMES}


def result_json(result: SearchResult, *, explain: bool = False) -> Json:
    """The answer as a JSON object.

    `shards`, `from_lake`, `region`, `by_meaning_alone` and `omitted` of SearchResult are in it where there are any.

    explain: whether it says how the query was answered.
    """
    return {
        "query": query_json(result.query),
        "took_ms": round(result.took_ms, 3),
        "exact": result.exact,
        "recall_target": result.recall_target,
        "access_path": result.access_path,
        **({"explained": explanation_json(result.explanation)} if explain else {}),
        **({"shards": result.shards, "from_lake": result.from_lake} if result.shards else {}),
        **({} if result.region is None else {"region": result.region}),
        **({"by_meaning_alone": result.by_meaning_alone} if result.by_meaning_alone else {}),
        **({"omitted": result.omitted} if result.omitted else {}),
        "hits": [hit_json(hit) for hit in result.hits],
    }


def explanation_json(explanation: Explanation | None) -> Json | None:
    """How a query was answered; None where that is not known."""
    return None if explanation is None else asdict(explanation)


def query_json(query: Query) -> Json:
    """Every option by its name. Methods are an object of weights; a picture given as pixels is named by its digest."""
    found = {each.name: _plain(getattr(query, each.field)) for each in options_of(Query)}
    methods = {method.name: method.weight for method in query.weighted_methods}
    zones = [asdict(zone) for zone in map(Zone.of, query.zones)]
    return found | {"methods": methods, "zones": zones}


def hit_json(hit: Hit) -> Json:
    """Fields of the hit and of its place side by side, times as ISO 8601; `then` only where something followed, and
    `until_s` only where what stands is stored once."""
    found = {field.name: getattr(part, field.name) for part in (hit, hit.place) for field in fields(part)}
    names = [*COLUMNS_FIRST, *(name for name in found if name not in _OMITTED and name not in COLUMNS_FIRST)]
    flat: Json = {name: _plain(found[name]) for name in names}
    if hit.place.until_s is not None:
        flat["until_s"] = hit.place.until_s
    return flat if hit.then is None else flat | {"then": hit_json(hit.then)}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return repr(value) if isinstance(value, Picture) else value
