"""`POST /api/search`."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Body, Request
from starlette.responses import Response

from deploy.server.access.seeing import Seen
from deploy.server.answers import json_answer
from deploy.server.asking.answer_models import SearchAnswer
from deploy.server.asking.arrange import grouped, ordered
from deploy.server.asking.query_body import EXAMPLES, SearchBody, ServedQuery, query_of
from deploy.server.asking.seen_search import NO_SOURCE
from deploy.server.asking.served_hits import served_hit, served_name, sources_of
from deploy.server.auditing.audited import note
from deploy.server.service import Service
from deploy.server.showing.catalogue import Catalogue, Sources
from schemas.query import Explanation, Query
from schemas.query_json import Json, explanation_json, query_json

_EXAMPLES = {name: {"summary": name, "value": value} for name, value in EXAMPLES.items()}


def search_routes() -> APIRouter:
    router = APIRouter(tags=["search"])

    @router.post("/api/search", response_model=SearchAnswer, summary="Search the lake")
    async def search(
        request: Request, service: Seen, body: Annotated[SearchBody, Body(openapi_examples=_EXAMPLES)]
    ) -> Response:
        """The nearest frames for words, a picture, a region of the lake or a box, each with its best place."""
        note(request, body.model_dump(by_alias=True, exclude_unset=True))
        began = time.perf_counter()
        answer = await service.searches.run(request, lambda: search_answer(service, body))
        service.times.add(time.perf_counter() - began)
        return json_answer(answer)

    return router


def search_answer(service: Service, body: ServedQuery) -> Json:
    """The answer to a query. Raises RequestError for an id that the lake lacks, and as Query and SearchSession do."""
    replaced: dict[str, object] = {}
    if body.region is not None:
        region = service.frames.region(body.region)
        replaced |= {"frame": region.frame_id, "roi": region.box}
    if body.sources or body.source is not None:
        replaced["source_ids"] = service.sources().chosen(body.sources, body.source) or NO_SOURCE
    query = query_of(
        body,
        replaced=replaced,
        picture=service.uploads.find,
        sources=lambda ids, pattern: service.sources().chosen(ids, pattern),
    )
    result = service.search.search(query)
    shown = [hit for first in result.hits for hit in (first, first.then) if hit is not None]
    catalogue, served = sources_of(service.sources, shown)
    hits = ordered(result.hits, body.order, served=served)
    return {
        "query": _query(query, body),
        "took_ms": round(result.took_ms, 3),
        "exact": result.exact,
        "recall_target": result.recall_target,
        "access_path": result.access_path,
        "shards": result.shards,
        "from_lake": result.from_lake,
        "explained": explained_without_paths(service.sources, result.explanation),
        "candidates": result.candidates,
        "without_vector": service.search.without_vector,
        "generation": service.search.listing().generation,
        "region": result.region,
        "by_meaning_alone": _names(result.by_meaning_alone, catalogue),
        "omitted": _names(result.omitted, catalogue),
        "hits": [served_hit(hit, catalogue, served) for hit in hits],
        "groups": [
            asdict(group)
            | {
                "source": served_name(group.source_id, catalogue),
                "start": None if group.start is None else group.start.isoformat(),
                "stop": None if group.stop is None else group.stop.isoformat(),
            }
            for group in grouped(hits, body.group, served=served)
        ],
    }


def explained_without_paths(sources: Sources, explanation: Explanation | None) -> Json | None:
    """How a query was answered; a damaged index is named by its path, of which the service shows the last part."""
    found = explanation_json(explanation)
    return None if found is None else found | {"why": sources.hide(str(found["why"]))}


def _names(uris: Sequence[str], catalogue: Catalogue) -> list[str]:
    """The names of sources, each once: those of a feed's recordings are one."""
    wanted = set(uris)
    ids = (catalogue.served[id] for id, uri in catalogue.uris.items() if uri in wanted)
    return list(dict.fromkeys(served_name(id, catalogue) for id in ids))


def _query(query: Query, body: ServedQuery) -> Json:
    """Every option of the query as it was asked, by its name in JSON."""
    asked = body.model_dump(by_alias=True, include=set(ServedQuery.model_fields))
    made = {name: value for name, value in query_json(query).items() if name not in ("source", "source_ids")}
    zones = body.model_dump(by_alias=True, include={"zones"})
    return made | {"image": getattr(body, "image", None)} | asked | zones
