"""`POST /api/exports`: the page says what it exports, so that the audit log has it."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from deploy.server.auditing.audited import note

_EXAMPLES = {
    "a table": {"summary": "a table", "value": {"format": "csv", "moments": 3, "query": {"text": "a bicycle"}}}
}


class ExportBody(BaseModel):
    """Moments that are saved as a file."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["csv", "json", "html"]
    moments: Annotated[int, Field(ge=0, le=100_000)]
    query: dict[str, Any] = Field({}, description="What was asked, as in a search.")


def export_routes() -> APIRouter:
    router = APIRouter(tags=["search"])

    @router.post("/api/exports", status_code=204, response_class=Response, summary="Say what is exported")
    async def export(request: Request, body: Annotated[ExportBody, Body(openapi_examples=_EXAMPLES)]) -> Response:
        """Files are made by the client, of what it was answered; a service with a login records that."""
        note(request, {"format": body.format, "moments": body.moments, "query": body.query})
        return Response(status_code=204)

    return router
