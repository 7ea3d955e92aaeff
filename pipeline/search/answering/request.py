"""Makes the request of a query to the methods that rank: which frames pass its filters, and where in them it looks."""

import numpy as np

from pipeline.search.filters import frames_in_filter, standing_regions, zone_is_for
from pipeline.search.memory.lake_cache import LakeCache
from pipeline.search.methods.method import RankingRequest
from pipeline.search.target import Target
from pipeline.search.where import where_of
from schemas.errors import QueryError
from schemas.query import Query


def request_of(columns: LakeCache, query: Query, target: Target) -> RankingRequest:
    """The request of a query. target: its vectors. Raises QueryError where a zone is for no source of the lake."""
    known = list(zip(columns.uris, columns.source_ids, strict=True))
    for zone in query.areas:
        # an answer without any zone would look like one with it
        if known and not any(zone_is_for(zone, uri, id) for uri, id in known):
            raise QueryError(
                f"no source of the lake matches {zone.source or zone.source_ids[0]!r}, for which a zone was drawn: "
                "write it as in `source`"
            )
    where = where_of(query, uris=columns.uris, ids=columns.source_ids, source=columns.source)
    frames = frames_in_filter(columns, query)
    standing = standing_regions(columns, query, frames=frames)
    return RankingRequest(query, target, frames, np.zeros(0, np.intp), where, standing)


def without_zone(columns: LakeCache, request: RankingRequest) -> tuple[str, ...]:
    """The URIs of the searched sources for which the query has no zone, though it has one for others."""
    if request.where is None:
        return ()
    others = np.unique(columns.source[request.frames & (request.where.area < 0)])
    return tuple(sorted({columns.uris[number] for number in others.tolist()}))
