"""`/api/watches`: lists, saves and removes watches, lists their alarms, and rehearses them on the past."""

from typing import Annotated

from fastapi import APIRouter, Body, Path, Query, Request
from starlette.responses import Response

from deploy.server.access.seeing import Seen
from deploy.server.answers import RequestError, json_answer
from deploy.server.auditing.audited import note
from deploy.server.service import Service
from deploy.server.watching.bodies import (
    EXAMPLE,
    AlarmListAnswer,
    RehearsalAnswer,
    RehearsalBody,
    WatchAnswer,
    WatchBody,
    WatchListAnswer,
)
from deploy.server.watching.rehearsals import rehearsal
from deploy.server.watching.watch_keeper import MOST_WATCHES, KeeperStatus
from deploy.server.watching.watches import alarm_json, listed_of, new_name, require_changeable, seen_watches, watch_json
from pipeline.watch.watch_list import ListedWatch
from schemas.query_json import Json

_REHEARSED = {key: value for key, value in EXAMPLE.items() if key != "title"} | {"since": "2026-05-01T12:00:00Z"}
_SAVED = {"a bicycle at night": {"summary": "a bicycle at night", "value": EXAMPLE}}
_TRIED = {"a bicycle at night": {"summary": "a bicycle at night", "value": _REHEARSED}}
Name = Annotated[str, Path(max_length=100, description="The name of a watch.")]


def watch_routes() -> APIRouter:
    router = APIRouter(tags=["watches"])

    @router.get("/api/watches", response_model=WatchListAnswer, summary="List watches")
    async def watches(request: Request, service: Seen) -> Response:
        def answer() -> Json:
            status, catalogue = service.watches.status(), service.sources()
            listed = seen_watches(service)
            error = None if status.error is None else service.sources.hide(status.error)
            return {
                "watches": [watch_json(service, each, status, catalogue) for each in listed],
                "watching": _watching(service, listed, status),
                "behind": status.behind if service.grants.everything else min(status.behind, 1),
                "error": error,
            }

        return json_answer(await service.reads.run(request, answer))

    @router.post("/api/watches", response_model=WatchAnswer, status_code=201, summary="Save a watch")
    async def save(
        request: Request, service: Seen, body: Annotated[WatchBody, Body(openapi_examples=_SAVED)]
    ) -> Response:
        """It reports what is committed from now on."""
        note(request, body.model_dump(by_alias=True, exclude_unset=True))

        def answer() -> Json:
            if len(service.watches.saved.read()) >= MOST_WATCHES:
                raise RequestError(409, f"there are {MOST_WATCHES} watches; remove one before you save another")
            listed = listed_of(service, body, name=new_name(service, body.title))
            service.watches.save(listed, new=True)
            return _shown(service, listed)

        return json_answer(await service.changes.run(request, answer), status=201)

    @router.put("/api/watches/{name}", response_model=WatchAnswer, summary="Change a watch")
    async def change(
        request: Request, service: Seen, name: Name, body: Annotated[WatchBody, Body(openapi_examples=_SAVED)]
    ) -> Response:
        """The whole watch is replaced; it keeps its name and its alarms."""
        note(request, body.model_dump(by_alias=True, exclude_unset=True))

        def answer() -> Json:
            _require(service, name)
            require_changeable(service, name)
            listed = listed_of(service, body, name=name)
            service.watches.save(listed, new=False)
            return _shown(service, listed)

        return json_answer(await service.changes.run(request, answer))

    @router.delete("/api/watches/{name}", status_code=204, response_class=Response, summary="Remove a watch")
    async def remove(request: Request, service: Seen, name: Name) -> Response:
        """Its alarms stay in the file beside the lake."""

        def answer() -> None:
            _require(service, name)
            service.watches.remove(name)

        await service.changes.run(request, answer)
        return Response(status_code=204)

    @router.get("/api/watches/{name}/alarms", response_model=AlarmListAnswer, summary="List alarms of a watch")
    async def alarms(
        request: Request,
        service: Seen,
        name: Name,
        limit: Annotated[int, Query(ge=1, le=200)] = 40,
        before: Annotated[
            str | None, Query(max_length=64, description="The id of an alarm: list those that are older.")
        ] = None,
    ) -> Response:
        """Newest first; the last thousand can be listed, and all are kept in the file beside the lake."""

        def answer() -> Json:
            _require(service, name)
            found, more = service.alarms.newest(name, limit=limit, before=before, grants=service.grants)
            catalogue = service.sources()
            return {"alarms": [alarm_json(each, catalogue) for each in found], "more": more}

        return json_answer(await service.reads.run(request, answer))

    @router.post("/api/watches/rehearsal", response_model=RehearsalAnswer, summary="Rehearse a watch on the past")
    async def rehearse(
        request: Request, service: Seen, body: Annotated[RehearsalBody, Body(openapi_examples=_TRIED)]
    ) -> Response:
        """How often it would have fired, and the frames that decide where its limit belongs. Nothing is saved."""
        note(request, body.model_dump(by_alias=True, exclude_unset=True))
        return json_answer(await service.searches.run(request, lambda: rehearsal(service, body)))

    return router


def _watching(service: Service, seen: list[ListedWatch], status: KeeperStatus) -> int:
    """How many of the watches that are seen are evaluated."""
    if service.grants.everything:
        return status.watching
    evaluated = [each for each in seen if not each.paused and each.watch.name not in status.errors]
    return min(len(evaluated), status.watching)


def _shown(service: Service, listed: ListedWatch) -> Json:
    return watch_json(service, listed, service.watches.status(), service.sources())


def _require(service: Service, name: str) -> ListedWatch:
    for each in seen_watches(service):
        if each.watch.name == name:
            return each
    raise RequestError(404, f"there is no watch {name[:100]}; /api/watches lists those that there are")
