"""What each role may do: one table, by which requests are refused, and which the OpenAPI and the README repeat."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)  # each may do what the one before it may


@dataclass(frozen=True, slots=True)
class Right:
    """Something that a user may do.

    role: the least role that has it. about: what it is, for people. routes: requests that need it, `METHOD /path`.
    every_source: whether it also needs the sight of every source, because its answer is about the lake as a whole.
    """

    name: str
    role: Role
    about: str
    routes: tuple[str, ...]
    every_source: bool = False

    def is_of(self, role: Role, *, every_source: bool) -> bool:
        """Whether a user of this role has it. every_source: whether they see every source."""
        return ROLES.index(role) >= ROLES.index(self.role) and (every_source or not self.every_source)

    def needs(self) -> str:
        """What a request needs, as a sentence."""
        whole = ", who sees every source" if self.every_source else ""
        return f"Needs the right `{self.name}`: of the role {self.role} and above{whole}."


RIGHTS = (
    Right(
        "see",
        "viewer",
        "search; see frames, clips, sources, counts, feeds, watches, alarms and pins; rehearse a watch; export",
        (
            "POST /api/search",
            "POST /api/region",
            "POST /api/pictures",
            "GET /api/pictures/{id}.jpg",
            "GET /api/frames/{id}.jpg",
            "GET /api/regions/{id}.jpg",
            "GET /api/clips/{frame_id}.mp4",
            "GET /api/sources",
            "GET /api/frames",
            "GET /api/frames/{id}",
            "GET /api/activity",
            "GET /api/status",
            "GET /api/lake",
            "GET /api/watches",
            "GET /api/watches/{name}/alarms",
            "POST /api/watches/rehearsal",
            "GET /api/pins",
            "GET /api/feeds",
            "POST /api/exports",
            "GET /api/me",
            "GET /api/openapi.json",
        ),
    ),
    Right("sql", "viewer", "count, follow and measure with SQL", ("POST /api/sql",)),
    Right(
        "watch",
        "operator",
        "save, change, pause and remove watches",
        ("POST /api/watches", "PUT /api/watches/{name}", "DELETE /api/watches/{name}"),
    ),
    Right("pin", "operator", "pin and unpin shots", ("POST /api/pins", "DELETE /api/pins/{id}")),
    Right(
        "pause",
        "operator",
        "pause and resume feeds",
        ("POST /api/feeds/{name}/pause", "POST /api/feeds/{name}/resume"),
    ),
    Right(
        "ingest",
        "operator",
        "ingest the folders that the service offers, and see how far that is",
        ("GET /api/ingest", "POST /api/ingest", "DELETE /api/ingest", "GET /api/ingest/events"),
        every_source=True,
    ),
    Right("metrics", "viewer", "read the metrics", ("GET /metrics",), every_source=True),
    Right("feeds", "admin", "add and remove feeds", ("POST /api/feeds", "DELETE /api/feeds/{name}")),
)
OPEN = ("GET /healthz", "POST /api/login", "POST /api/logout", "GET /{path:path}")  # for anybody

_OF_ROUTE = {route: right for right in RIGHTS for route in right.routes}


def right_of(method: str, path: str) -> Right | None:
    """The right that a route needs; None for one that is open. path: as it is declared. Raises KeyError for another."""
    route = f"{method} {path}"
    return None if route in OPEN else _OF_ROUTE[route]


def rights_of(role: Role, *, every_source: bool) -> Iterator[Right]:
    """What a user of this role may do. every_source: whether they see every source."""
    return (right for right in RIGHTS if right.is_of(role, every_source=every_source))
