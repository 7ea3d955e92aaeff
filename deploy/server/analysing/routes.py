"""`POST /api/sql`."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from deploy.server.access.seeing import Seen
from deploy.server.answers import json_answer
from deploy.server.asking.query_body import Finite, Text, moment
from deploy.server.auditing.audited import note
from schemas.query import Moment
from schemas.query_json import Json

_COUNT = "SELECT label, count(*) AS objects FROM objects WHERE confidence > 0.5 GROUP BY label"
_EXAMPLES = {
    "things of each class": {"summary": "things of each class", "value": {"query": _COUNT}},
    "crossings": {"summary": "crossings of a line", "value": {"query": "FROM crossings('0.5,0 0.5,1')", "rows": 100}},
}


class SqlBody(BaseModel):
    """One SELECT, and how many rows of its answer are wanted.

    sources: ids of the only ones that it reads. since, until: of the frames and regions that it reads, half-open: a
    text is ISO 8601 in UTC, a number seconds within each source.
    """

    model_config = ConfigDict(extra="forbid")

    query: Annotated[str, Field(min_length=1, max_length=20_000)]
    rows: Annotated[int, Field(ge=1, le=10_000)] = 1000
    sources: Annotated[list[Text], Field(max_length=1000)] = []
    since: Finite | Text | None = None
    until: Finite | Text | None = None


class SqlColumn(BaseModel):
    name: str
    type: str


class SqlAnswer(BaseModel):
    """The answer. rows: lists of values, in the order of the columns. more: whether the answer has more rows."""

    columns: list[SqlColumn]
    rows: list[list[Any]]
    more: bool


def sql_routes() -> APIRouter:
    router = APIRouter(tags=["lake"])

    @router.post("/api/sql", response_model=SqlAnswer, summary="Answer a SELECT")
    async def sql(
        request: Request, service: Seen, body: Annotated[SqlBody, Body(openapi_examples=_EXAMPLES)]
    ) -> Response:
        """Tables and views of the sources that the user sees: sources, shots, frames, regions, labels, objects,
        sightings, visits, stays, crossings, counts, heat. It reads, within limits of time and memory."""
        note(request, body.model_dump(exclude_unset=True))
        since, until = _moment(body.since, name="since"), _moment(body.until, name="until")

        def answer() -> Json:
            return service.sql.answer(
                body.query, service.sources, rows=body.rows, chosen=body.sources, since=since, until=until
            )

        return json_answer(await service.analyses.run(request, answer))

    return router


def _moment(given: float | str | None, *, name: str) -> Moment | None:
    return moment(given, name=name) if isinstance(given, str) else given
