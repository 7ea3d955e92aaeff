"""`/api/feeds`: lists, adds, pauses, resumes and removes feeds."""

from typing import Annotated

from fastapi import APIRouter, Body, Path, Request
from starlette.responses import Response

from deploy.server.access.seeing import Seen
from deploy.server.answers import json_answer
from deploy.server.auditing.audited import note
from deploy.server.feeding.bodies import EXAMPLE, FeedBody, FeedStatesAnswer
from deploy.server.feeding.feed_access import shown_address
from deploy.server.feeding.feed_states import feed_states
from deploy.server.service import Service

_EXAMPLES = {"a camera": {"summary": "a camera", "value": EXAMPLE}}
Name = Annotated[str, Path(max_length=100, description="The name of a feed.")]


def feed_routes() -> APIRouter:
    router = APIRouter(tags=["feeds"])

    @router.get("/api/feeds", response_model=FeedStatesAnswer, summary="List feeds")
    async def feeds(request: Request, service: Seen) -> Response:
        """Their states, how far they are behind, and their last keyframes."""
        return json_answer(await service.reads.run(request, lambda: feed_states(service)))

    @router.post("/api/feeds", response_model=FeedStatesAnswer, status_code=201, summary="Add a feed")
    async def add(
        request: Request, service: Seen, body: Annotated[FeedBody, Body(openapi_examples=_EXAMPLES)]
    ) -> Response:
        """A running follower connects to it at once."""
        note(request, {"name": body.name, "address": shown_address(body.url), "paused": body.paused})

        def answer() -> object:
            service.feeds.add(body.name, body.url, user=body.user, password=body.password, paused=body.paused)
            return feed_states(service)

        return json_answer(await service.changes.run(request, answer), status=201)

    @router.post("/api/feeds/{name}/pause", response_model=FeedStatesAnswer, summary="Disconnect a feed")
    async def pause(request: Request, service: Seen, name: Name) -> Response:
        return await _changed(request, service, name, paused=True)

    @router.post("/api/feeds/{name}/resume", response_model=FeedStatesAnswer, summary="Connect to a paused feed")
    async def resume(request: Request, service: Seen, name: Name) -> Response:
        return await _changed(request, service, name, paused=False)

    @router.delete("/api/feeds/{name}", status_code=204, response_class=Response, summary="Remove a feed")
    async def remove(request: Request, service: Seen, name: Name) -> Response:
        """Its recordings stay in the lake."""
        await service.changes.run(request, lambda: service.feeds.remove(name))
        return Response(status_code=204)

    async def _changed(request: Request, service: Service, name: str, *, paused: bool) -> Response:
        def answer() -> object:
            service.feeds.pause(name, paused=paused, grants=service.grants)
            return feed_states(service)

        return json_answer(await service.changes.run(request, answer))

    return router
