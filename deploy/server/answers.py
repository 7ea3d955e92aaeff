"""Answers of the service: JSON, and errors as one sentence with the status that fits."""

from collections.abc import Mapping

from starlette.responses import Response

from schemas.errors import (
    DecodeError,
    InvalidValueError,
    LakeError,
    ModelError,
    PlanError,
    QueryError,
    RegionLakeError,
    SourceError,
    WatchError,
)
from schemas.visible_text import visible_json

JSON = "application/json"


class RequestError(Exception):
    """Answers a request with a status and one sentence. retry_after_s: when to ask again, if that helps."""

    def __init__(self, status: int, sentence: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}


def json_answer(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The value as JSON in which no character commands a terminal. What the service knows changes: it is not cached."""
    content = visible_json(value).encode(errors="replace")
    return Response(content, status, {"Cache-Control": "no-store", **(headers or {})}, JSON)


def error_answer(status: int, sentence: str, *, headers: Mapping[str, str] | None = None) -> Response:
    return json_answer({"error": sentence}, status=status, headers=headers)


def status_of(error: RegionLakeError) -> int:
    """The status that says whose fault the error is."""
    if isinstance(error, QueryError | InvalidValueError):
        return 422
    if isinstance(error, SourceError | DecodeError):  # of a video or picture that the lake names
        return 410
    # PlanError: of a file beside the lake, as requests have none
    return 503 if isinstance(error, LakeError | ModelError | PlanError | WatchError) else 500
