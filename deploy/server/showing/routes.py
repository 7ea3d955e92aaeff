"""`/api/sources`, `/api/frames`, `/api/activity`, `/api/status`, `/api/lake`."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from deploy.server.access.seeing import Seen
from deploy.server.answers import json_answer
from deploy.server.asking.query_body import moment_of
from deploy.server.showing.activity import ActivityClock, activity
from deploy.server.showing.answer_models import (
    ActivityAnswer,
    FrameAnswer,
    FrameListAnswer,
    LakeStorageAnswer,
    SourceListAnswer,
    StatusAnswer,
)
from deploy.server.showing.frames import in_time, listed, of_source
from deploy.server.showing.source_list import source_list

Bound = Annotated[
    str | None, Query(max_length=64, description="ISO 8601 in UTC, or a number of seconds within the source.")
]


def showing_routes() -> APIRouter:
    router = APIRouter(tags=["lake"])

    @router.get("/api/sources", response_model=SourceListAnswer, summary="List the sources")
    async def sources(request: Request, service: Seen) -> Response:
        def answer() -> object:
            return {"sources": source_list(service.sources, service.search.listing())}

        return json_answer(await service.reads.run(request, answer))

    @router.get("/api/frames", response_model=FrameListAnswer, summary="List keyframes of a source")
    async def frames(
        request: Request,
        service: Seen,
        source: Annotated[str, Query(max_length=64, description="The id of a source.")],
        since: Bound = None,
        until: Bound = None,
        limit: Annotated[int, Query(ge=1, le=2000)] = 200,
    ) -> Response:
        def answer() -> object:
            chosen = service.sources().source(source)
            listing = service.search.listing()
            rows = of_source(listing, chosen.source_ids)
            bounds = moment_of(since, name="since"), moment_of(until, name="until")
            rows = in_time(listing, rows, *bounds)
            return {"frames": listed(listing, rows[:limit], served=chosen.id), "more": len(rows) > limit}

        return json_answer(await service.reads.run(request, answer))

    @router.get("/api/frames/{id}", response_model=FrameAnswer, summary="Show a keyframe")
    async def frame(request: Request, service: Seen, id: str) -> Response:
        """The keyframe with its regions, and those before and after it."""
        return json_answer(await service.reads.run(request, lambda: service.frames.shown(id, service.search.listing())))

    @router.get("/api/activity", response_model=ActivityAnswer, summary="Count over time")
    async def counts(
        request: Request,
        service: Seen,
        source: Annotated[list[str], Query(max_length=256, description="Ids of sources; all if there are none.")] = [],  # noqa: B006
        since: Bound = None,
        until: Bound = None,
        bins: Annotated[int, Query(ge=1, le=1000)] = 60,
        clock: ActivityClock | None = None,
    ) -> Response:
        def answer() -> object:
            catalogue = service.sources()
            chosen = [catalogue.source(id) for id in dict.fromkeys(source)] or list(catalogue.sources.values())
            return activity(
                service.search.listing(),
                chosen,
                since=moment_of(since, name="since"),
                until=moment_of(until, name="until"),
                bins=bins,
                clock=clock,
            )

        return json_answer(await service.reads.run(request, answer))

    @router.get("/api/status", response_model=StatusAnswer, summary="Show the state of the service and its lake")
    async def status(request: Request, service: Seen) -> Response:
        return json_answer(await service.reads.run(request, lambda: service.state(service.searches, service.times)))

    @router.get("/api/lake", response_model=LakeStorageAnswer, summary="Show what the lake takes up, and its upkeep")
    async def lake(request: Request, service: Seen) -> Response:
        return json_answer(await service.reads.run(request, service.state.storage))

    return router
