"""`/api/pins`: shots that retention must keep."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Body, Path, Query, Request
from starlette.responses import Response

from deploy.server.access.seeing import Seen
from deploy.server.answers import RequestError, json_answer
from deploy.server.auditing.audited import note
from deploy.server.pinning.bodies import EXAMPLE, PinAnswer, PinBody, PinListAnswer
from deploy.server.service import Service
from deploy.server.showing.catalogue import short_name
from deploy.server.showing.frames import of_source
from pipeline.lake.upkeep.pinned_places import clocks_of
from pipeline.lake.upkeep.pins import Pin
from schemas.clock import Clock
from schemas.query_json import Json

_EXAMPLES = {"for a month": {"summary": "for a month", "value": EXAMPLE}}


def pin_routes() -> APIRouter:
    router = APIRouter(tags=["pins"])

    @router.get("/api/pins", response_model=PinListAnswer, summary="List pins")
    async def pins(
        request: Request,
        service: Seen,
        frame: Annotated[
            str | None, Query(max_length=64, description="Only pins by which this keyframe is kept.")
        ] = None,
    ) -> Response:
        def answer() -> Json:
            found = _seen(service)
            if frame is not None:
                shown = service.frames.find(frame)
                found = [each for each in found if _covers(each[0], shown.source_id, shown.pts)]
            error = service.pins.error
            return {
                "pins": _shown(service, found),
                "error": None if error is None else service.sources.hide(error),
            }

        return json_answer(await service.reads.run(request, answer))

    @router.post("/api/pins", response_model=PinAnswer, status_code=201, summary="Pin a shot")
    async def pin(
        request: Request, service: Seen, body: Annotated[PinBody, Body(openapi_examples=_EXAMPLES)]
    ) -> Response:
        """The shot of a keyframe is kept whole. One that is pinned already is kept for the longer of both times."""
        note(request, body.model_dump(exclude_unset=True))

        def answer() -> Json:
            service.frames.find(body.frame)  # 404 for one that the lake does not have
            expires = None if body.days is None else datetime.now(UTC) + timedelta(days=body.days)
            made = service.pins.add(body.frame, expires=expires)
            found = [each for each in service.pins.read() if each[0].id == made.id]
            return _shown(service, found or [(made, expires)])[0]

        return json_answer(await service.changes.run(request, answer), status=201)

    @router.delete("/api/pins/{id}", status_code=204, response_class=Response, summary="Remove a pin")
    async def unpin(request: Request, service: Seen, id: Annotated[str, Path(max_length=64)]) -> Response:
        """Retention may remove the shot again."""

        def answer() -> bool:
            return any(pin.id == id for pin, _ in _seen(service)) and service.pins.remove(id)

        if not await service.changes.run(request, answer):
            raise RequestError(404, "there is no such pin; /api/pins lists those that there are")
        return Response(status_code=204)

    return router


def _seen(service: Service) -> list[tuple[Pin, datetime | None]]:
    """The pins of sources that may be seen."""
    return [(pin, expires) for pin, expires in service.pins.read() if service.grants.allow(pin.source)]


def _covers(pin: Pin, source_id: str, pts: int) -> bool:
    return pin.source_id == source_id and (pin.span is None or pts in pin.span)


def _shown(service: Service, pins: list[tuple[Pin, datetime | None]]) -> list[Json]:
    clocks = clocks_of(service.lake, (pin.source_id for pin, _ in pins))
    return [_pin_json(service, pin, expires, clocks.get(pin.source_id)) for pin, expires in pins]


def _pin_json(service: Service, pin: Pin, expires: datetime | None, clock: Clock | None) -> Json:
    catalogue = service.sources(knowing=[pin.source_id])
    served = catalogue.served.get(pin.source_id)
    ends = () if pin.span is None or clock is None else (pin.span.start, pin.span.stop)
    seconds = [clock.seconds(pts) for pts in ends] if clock is not None else []
    moments = [clock.utc(pts) for pts in ends] if clock is not None else []
    start, stop = [None if each is None else each.isoformat() for each in moments] or [None, None]
    return {
        "id": pin.id,
        "source": short_name(pin.source) if served is None else catalogue.sources[served].name,
        "source_id": served,
        "start_s": seconds[0] if seconds else None,
        "stop_s": seconds[1] if seconds else None,
        "start": start,
        "stop": stop,
        "frame": _frame_in(service, pin, seconds),
        "pinned_at": pin.pinned_at.isoformat(),
        "expires": None if expires is None else expires.isoformat(),
    }


def _frame_in(service: Service, pin: Pin, seconds: list[float]) -> str | None:
    """The first keyframe within the pin."""
    listing = service.search.listing()
    rows = of_source(listing, [pin.source_id])
    if seconds:
        rows = rows[(listing.pts_s[rows] >= seconds[0] - 1e-6) & (listing.pts_s[rows] < seconds[1])]
    first: str | None = listing.frame_id[rows[np.argmin(listing.pts_s[rows])]].decode() if len(rows) else None
    return first
