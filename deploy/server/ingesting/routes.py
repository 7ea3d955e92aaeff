"""`/api/ingest`: starts an ingest, stops it, and reports its progress."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from deploy.server.access.seeing import Seen
from deploy.server.answers import RequestError, json_answer
from deploy.server.asking.query_body import Text
from deploy.server.auditing.audited import note
from deploy.server.ingesting.ingest_runs import IngestStatus
from deploy.server.service import Service
from schemas.query_json import Json
from schemas.visible_text import visible_json

_LOOK_S = 0.25
_ALIVE_S = 15.0  # a proxy closes what is silent for long
_MOST_STREAMS = 16
_EXAMPLES = {"a folder": {"summary": "a folder", "value": {"folder": "videos", "path": "2026/may"}}}
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Events `progress` with a run as JSON.", "content": {"text/event-stream": {}}}
}


class IngestBody(BaseModel):
    """What to ingest."""

    model_config = ConfigDict(extra="forbid")

    folder: Text = Field(description="The name of a folder that /api/ingest lists.")
    path: Text = Field("", description="A folder or file in it; all of it without this.")


class IngestErrorAnswer(BaseModel):
    """A source that could not be read."""

    source: str
    error: str


class IngestNoteAnswer(BaseModel):
    """What is to be known of a source that was ingested, such as that the hour in its name exists twice."""

    source: str
    note: str


class IngestRunAnswer(BaseModel):
    """A run. progress: `elapsed_s`, `sources`, `segments`, `backlog_segments`, `frames_decoded`, `keyframes`,
    `regions`, `media_s` of `media_total_s`."""

    folder: str
    state: Literal["running", "done", "failed", "stopped"]
    began: datetime
    progress: dict[str, float]
    skipped: int
    errors: list[IngestErrorAnswer]
    notes: list[IngestNoteAnswer]
    error: str | None


class IngestAnswer(BaseModel):
    """folders: names of those that may be ingested. run: the one that is under way, or else the last."""

    folders: list[str]
    run: IngestRunAnswer | None


def ingest_routes() -> APIRouter:
    router = APIRouter(tags=["ingest"])
    streams = asyncio.Semaphore(_MOST_STREAMS)

    @router.get("/api/ingest", response_model=IngestAnswer, summary="Show folders and the last ingest")
    async def shown(service: Seen) -> Response:
        return json_answer({"folders": list(service.ingests.folders), "run": _run(service, service.ingests.status())})

    @router.post("/api/ingest", response_model=IngestAnswer, status_code=202, summary="Ingest a folder")
    async def start(
        request: Request, service: Seen, body: Annotated[IngestBody, Body(openapi_examples=_EXAMPLES)]
    ) -> Response:
        """What the lake holds already is skipped. One ingest runs at a time."""
        note(request, {"folder": body.folder, "path": body.path})
        begun = await service.changes.run(request, lambda: service.ingests.start(body.folder, body.path))
        return json_answer({"folders": list(service.ingests.folders), "run": _run(service, begun)}, status=202)

    @router.delete("/api/ingest", status_code=204, response_class=Response, summary="Stop the ingest")
    async def stop(service: Seen) -> Response:
        """What it has committed stays; the same ingest continues from there."""
        service.ingests.stop()
        return Response(status_code=204)

    @router.get("/api/ingest/events", response_class=Response, responses=_EVENTS, summary="Follow the ingest")
    async def events(service: Seen) -> Response:
        """Server-sent events: `progress` with the run whenever it changes, until it ends."""
        if service.ingests.status() is None:
            raise RequestError(404, "nothing was ingested since the service was started")
        if streams.locked():
            raise RequestError(429, f"{_MOST_STREAMS} clients follow the ingest already", retry_after_s=5)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_stream(service, streams), media_type="text/event-stream", headers=headers)

    return router


async def _stream(service: Service, streams: asyncio.Semaphore) -> AsyncIterator[str]:
    async with streams:
        seen, silent_s = -1, 0.0
        while (status := service.ingests.status()) is not None:
            if status.version != seen:
                seen, silent_s = status.version, 0.0
                yield f"event: progress\ndata: {visible_json(_run(service, status))}\n\n"
                if status.state != "running":
                    return
            elif silent_s >= _ALIVE_S:
                silent_s = 0.0
                yield ": still running\n\n"
            await asyncio.sleep(_LOOK_S)
            silent_s += _LOOK_S


def _run(service: Service, status: IngestStatus | None) -> Json | None:
    if status is None:
        return None
    hide = service.sources.hide
    return {
        "folder": status.folder,
        "state": status.state,
        "began": status.began.isoformat(),
        "progress": dict(status.progress),
        "skipped": status.skipped,
        "errors": [{"source": hide(source), "error": hide(error)} for source, error in status.errors],
        "notes": [{"source": hide(source), "note": hide(text)} for source, text in status.notes],
        "error": None if status.error is None else hide(status.error),
    }
