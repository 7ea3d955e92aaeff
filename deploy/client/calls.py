"""The calls of the service, each as the requests that it makes, whoever sends them: a client that waits, or asyncio."""

import io
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from deploy.client.wire import query_body, result_of
from schemas.errors import DecodeError, InvalidValueError
from schemas.pictures import Picture
from schemas.query import Query, SearchResult

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A request. body: JSON, or the bytes of a picture. binary: whether the answer is bytes instead of JSON."""

    method: str
    path: str
    body: Mapping[str, object] | bytes | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    binary: bool = False


Calls = Generator[Call, Any, T]  # yields requests, is sent what was answered, and returns the result


def search(query: Query) -> Calls[SearchResult]:
    """Answers a query; its picture is uploaded first."""
    image = None
    if query.picture is not None:
        uploaded = yield Call("POST", "/api/pictures", _bytes(query.picture))
        image = uploaded["id"]
    answer = yield Call("POST", "/api/search", query_body(query, image=image))
    return result_of(answer, query)


def thumbnail(frame_id: str) -> Calls[bytes]:
    """The JPEG of a keyframe that the lake stores."""
    jpeg: bytes = yield Call(
        "GET", f"/api/frames/{quote(frame_id, safe='')}.jpg", params={"from": "thumbnail"}, binary=True
    )
    return jpeg


def clip(frame_id: str) -> Calls[bytes]:
    """The MP4 of a hit."""
    mp4: bytes = yield Call("GET", f"/api/clips/{quote(frame_id, safe='')}.mp4", binary=True)
    return mp4


def sources() -> Calls[list[dict[str, Any]]]:
    """The sources of the lake; the README of the service describes them."""
    answer = yield Call("GET", "/api/sources")
    found: list[dict[str, Any]] = answer["sources"]
    return found


def sql(
    query: str,
    *,
    rows: int,
    sources: Sequence[str] = (),
    since: datetime | float | None = None,
    until: datetime | float | None = None,
) -> Calls[dict[str, Any]]:
    """The answer to a SELECT: its columns and rows, and whether there are more of these."""
    body: dict[str, Any] = {"query": query, "rows": rows, "sources": list(sources)}
    for name, at in (("since", since), ("until", until)):
        if at is not None:
            body[name] = at.isoformat() if isinstance(at, datetime) else at
    found: dict[str, Any] = yield Call("POST", "/api/sql", body)
    return found


def status() -> Calls[dict[str, Any]]:
    """The state of the service and its lake."""
    found: dict[str, Any] = yield Call("GET", "/api/status")
    return found


def base_url(url: str) -> str:
    """The address of a service without what follows its port. Raises InvalidValueError for what is none."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname
    except ValueError:
        known = None
    if not known:
        raise InvalidValueError(f"a service is at an address such as http://127.0.0.1:8420, got {url!r}")
    return url.rstrip("/")


def _bytes(picture: str | Picture) -> bytes:
    if isinstance(picture, str):
        try:
            return Path(picture).read_bytes()
        except OSError as error:
            raise DecodeError(f"the picture {picture} cannot be read: {error.strerror}") from None
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(picture.pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()
