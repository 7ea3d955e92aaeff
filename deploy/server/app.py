"""The application: every route behind the guard, and every error as one sentence."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.responses import Response

from deploy.monitoring.disk_metrics import DiskCollector, disks_of
from deploy.monitoring.metrics import FollowCollector
from deploy.server.access.people import People
from deploy.server.access.rights import right_of
from deploy.server.access.routes import access_routes, require_right
from deploy.server.analysing.routes import sql_routes
from deploy.server.answers import RequestError, error_answer, status_of
from deploy.server.asking.region_routes import region_routes
from deploy.server.asking.routes import search_routes
from deploy.server.auditing.audit_log import AuditLog
from deploy.server.auditing.recorder import Recorder
from deploy.server.exporting.routes import export_routes
from deploy.server.feeding.routes import feed_routes
from deploy.server.guard import Access, BodyTooLargeError, Guard
from deploy.server.ingesting.routes import ingest_routes
from deploy.server.media.routes import media_routes
from deploy.server.media.uploads import MOST_BYTES
from deploy.server.page_files import PageFiles, policy
from deploy.server.pinning.routes import pin_routes
from deploy.server.search_times import ServiceCollector
from deploy.server.service import Service
from deploy.server.showing.routes import showing_routes
from deploy.server.watching.routes import watch_routes
from schemas.errors import RegionLakeError
from schemas.visible_text import visible

_log = logging.getLogger(__name__)
Handler = Callable[[Request, Exception], Any]


def make_app(service: Service, *, access: Access, version: str, audit: AuditLog | None = None) -> FastAPI:
    """The application of a service, which is closed with it. audit: where requests are recorded."""
    people, recorder = access.people(), Recorder(audit)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()
        recorder.close()

    errors: dict[int | str, dict[str, Any]] = {
        status: {"description": text, "content": {"application/json": {"schema": _ERROR}}}
        for status, text in _ERRORS.items()
    }
    app = FastAPI(
        title="RegionLake",
        version=version,
        summary="Find the moment when this appeared there.",
        openapi_url="/api/openapi.json",
        docs_url=None,  # its script would come from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        responses=errors,
        dependencies=[Depends(require_right)],
    )
    app.state.service = service
    app.include_router(media_routes())  # before those without a suffix
    app.include_router(showing_routes())
    app.include_router(search_routes())
    app.include_router(region_routes())
    app.include_router(sql_routes())
    app.include_router(watch_routes())
    app.include_router(pin_routes())
    app.include_router(feed_routes())
    app.include_router(ingest_routes())
    app.include_router(export_routes())
    app.include_router(access_routes(people, secure=access.transport.secure))
    _own_routes(app, service)
    _describe_rights(app, people)
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)
    app.add_middleware(Guard, access=access, people=people, recorder=recorder, policy=policy(), most_bytes=MOST_BYTES)
    return app


def _describe_rights(app: FastAPI, people: People) -> None:
    """The OpenAPI says which right each operation needs, and how one says who asks."""
    made = app.openapi
    ways: list[dict[str, list[str]]] = [{"bearer": []}, {"cookie": []}]

    @cache
    def described() -> dict[str, Any]:
        found = made()
        for path, operations in found["paths"].items():
            for method, operation in operations.items():
                right = right_of(method.upper(), path)
                needs = "Anybody may ask this." if right is None else right.needs()
                operation["description"] = f"{operation.get('description', '')}\n\n{needs}".strip()
                operation["security"] = [] if right is None else ways
        found.setdefault("components", {})["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "cookie": {"type": "apiKey", "in": "cookie", "name": people.cookie},
        }
        return found

    app.openapi = described  # type: ignore[method-assign]


def _own_routes(app: FastAPI, service: Service) -> None:
    registry = CollectorRegistry()
    registry.register(ServiceCollector(service.times, service.searches))
    registry.register(FollowCollector(service.state.followed))
    registry.register(DiskCollector(disks_of(service.lake.uri)))
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    page = PageFiles()

    @app.get("/healthz", tags=["service"], summary="Say whether the process answers")
    async def health() -> dict[str, bool]:
        return {"ok": True}

    @app.get("/metrics", tags=["service"], response_class=Response, summary="Metrics for Prometheus")
    async def metrics(request: Request) -> Response:
        text = await service.reads.run(request, lambda: generate_latest(registry))
        return Response(text, 200, {"Cache-Control": "no-store"}, CONTENT_TYPE_LATEST)

    @app.get("/{path:path}", include_in_schema=False)
    async def file(path: str) -> Response:
        if path.partition("/")[0] == "api":
            raise RequestError(404, "there is nothing at this path; the API is described at /api/openapi.json")
        return page(path)


_ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string", "description": "One sentence."}},
    "required": ["error"],
}
_ERRORS = {
    400: "JSON that cannot be read",
    401: "No token, or a wrong one",
    403: "A foreign host or site, or what the user may not do",
    404: "No such frame, region, source or picture",
    405: "Another method is needed",
    409: "It contradicts what there is",
    410: "The video is gone, changed, or was never kept",
    413: "A body that is too large",
    415: "An upload that is no picture",
    422: "A query or parameter that is wrong",
    429: "Too many requests wait",
    503: "The lake or its model is out of reach",
    504: "No answer within the deadline",
}


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return error_answer(error.status, visible(error.sentence), headers=error.headers)


async def _of_lake(request: Request, error: Exception) -> Response:
    assert isinstance(error, RegionLakeError)
    service: Service = request.app.state.service
    person = getattr(request.state, "person", None)  # None at what is open to anybody
    hide = (service if person is None else service.seen_by(person.sources)).sources.hide
    return error_answer(status_of(error), visible(hide(str(error))))


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return error_answer(422, visible("; ".join(_sentences(error)))[:1000])


async def _of_http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return error_answer(error.status_code, visible(str(error.detail)), headers=error.headers)


async def _too_large(_request: Request, error: Exception) -> Response:
    return error_answer(413, str(error), headers={"Connection": "close"})


async def _unexpected(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, visible(request.url.path), exc_info=error)
    return error_answer(500, "the service has failed at this request; its log says why")


_HANDLERS: dict[type[Exception], Handler] = {
    RequestError: _refused,
    RegionLakeError: _of_lake,
    RequestValidationError: _invalid,
    HTTPException: _of_http,
    BodyTooLargeError: _too_large,
    Exception: _unexpected,
}


_SECRET = {"token", "user", "password", "url"}  # what is wrong with them is said without them


def _sentences(error: RequestValidationError) -> list[str]:
    """`k: Input should be less than or equal to 1000, got 5000`, one for each value that is wrong."""
    found = []
    for each in error.errors()[:5]:
        where = ".".join(str(part) for part in each["loc"][1:]) or str(each["loc"][0])
        given = each.get("input")
        shown = isinstance(given, str | int | float | bool) and _SECRET.isdisjoint(map(str, each["loc"]))
        got = f", got {given!r}"[:120] if shown else ""
        found.append(f"{where}: {each['msg']}{got}")
    return found
