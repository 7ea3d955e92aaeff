"""`/api/pictures`, `/api/frames/{id}.jpg`, `/api/regions/{id}.jpg`, `/api/clips/{frame_id}.mp4`."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import FileResponse, Response

from deploy.server.access.seeing import Seen
from deploy.server.answers import RequestError, json_answer
from deploy.server.auditing.audited import note
from deploy.server.media.stills import Origin, Still, jpeg_of
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.query import BoxTuple

Side = Annotated[int | None, Query(ge=16, le=4096, description="Pixels at most.")]
Fill = Annotated[float, Query(ge=0.05, le=1, description="The share of a close-up that the box fills.")]
_BYTES = {"type": "string", "format": "binary"}
_JPEG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {"schema": _BYTES}}}}
_MP4: dict[int | str, dict[str, Any]] = {
    200: {"content": {"video/mp4": {"schema": _BYTES}}},
    206: {"description": "A part, as `Range` asked.", "content": {"video/mp4": {}}},
}
_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_KEPT = "private, max-age=3600"  # rows do not change, but may be erased
_VARY = "Cookie, Authorization"  # what one user may see, the next user of the browser may not


class UploadAnswer(BaseModel):
    """An uploaded picture."""

    id: str
    width_px: int
    height_px: int


def media_routes() -> APIRouter:
    router = APIRouter(tags=["pictures"])

    @router.post("/api/pictures", response_model=UploadAnswer, summary="Upload a picture", openapi_extra=_UPLOAD)
    async def upload(request: Request, service: Seen) -> Response:
        """The body is the bytes of a JPEG, PNG, WebP, BMP or TIFF. Equal pictures have equal ids."""
        content = await request.body()
        if not content:
            raise RequestError(415, "the body is empty; send the bytes of a picture")
        id, picture = await service.pictures.run(request, lambda: service.uploads.add(content))
        height_px, width_px, _ = picture.pixels.shape
        return json_answer({"id": id, "width_px": width_px, "height_px": height_px})

    @router.get("/api/pictures/{id}.jpg", response_class=Response, responses=_JPEG, summary="Show an uploaded picture")
    async def picture(request: Request, service: Seen, id: str, width: Side = None) -> Response:
        def answer() -> bytes:
            return jpeg_of(service.uploads.find(id).pixels, (width, None))

        return Response(
            await service.pictures.run(request, answer), 200, {"Cache-Control": _KEPT, "Vary": _VARY}, "image/jpeg"
        )

    @router.get("/api/frames/{id}.jpg", response_class=Response, responses=_JPEG, summary="Show a still or a close-up")
    async def still(
        request: Request,
        service: Seen,
        id: str,
        width: Side = None,
        height: Side = None,
        box: Annotated[str | None, Query(max_length=200, description="x0,y0,x1,y1: show a close-up of it.")] = None,
        fill: Fill = 0.5,
        origin: Annotated[Origin, Query(alias="from")] = "auto",
    ) -> Response:
        near = None if box is None else _box(box)

        def answer() -> Still:
            return service.stills(service.frames.find(id), size=(width, height), box=near, fill=fill, origin=origin)

        return _still(await service.pictures.run(request, answer))

    @router.get(
        "/api/regions/{id}.jpg", response_class=Response, responses=_JPEG, summary="Show a close-up of a region"
    )
    async def region(
        request: Request,
        service: Seen,
        id: str,
        width: Side = None,
        height: Side = None,
        fill: Fill = 0.5,
        origin: Annotated[Origin, Query(alias="from")] = "auto",
    ) -> Response:
        def answer() -> Still:
            found = service.frames.region(id)
            frame = service.frames.find(found.frame_id)
            return service.stills(frame, size=(width, height), box=found.box, fill=fill, origin=origin)

        return _still(await service.pictures.run(request, answer))

    @router.get("/api/clips/{frame_id}.mp4", response_class=FileResponse, responses=_MP4, summary="Play a hit")
    async def clip(
        request: Request, service: Seen, frame_id: str, around_s: Annotated[float, Query(ge=0.5, le=30)] = 2.0
    ) -> Response:
        """The hit's shot, at most `around_s` to either side, without sound."""
        note(request, {"around_s": around_s})
        path = await service.pictures.run(
            request, lambda: service.clips(service.frames.find(frame_id, with_shot=True), around_s=around_s)
        )
        return FileResponse(path, media_type="video/mp4", headers={"Cache-Control": _KEPT, "Vary": _VARY})

    return router


def _still(still: Still) -> Response:
    headers = {
        "Cache-Control": _KEPT if still.final else "private, max-age=10",
        "Vary": _VARY,
        "X-Cut": ",".join(f"{side:.6g}" for side in still.cut),
        "X-From": still.origin,
    }
    return Response(still.jpeg, 200, headers, "image/jpeg")


def _box(text: str) -> BoxTuple:
    try:
        x0, y0, x1, y1 = map(float, text.split(","))
        area = Boxes([(x0, y0, x1, y1)]).area()[0]  # type: ignore[arg-type]
    except (ValueError, InvalidValueError):
        area = 0.0
    if not area > 0:
        raise RequestError(422, f"{text!r} is no box; write x0,y0,x1,y1, fractions of the frame, with an area")
    return x0, y0, x1, y1
