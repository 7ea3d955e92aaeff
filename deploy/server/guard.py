"""What is before every request: which sites may ask, who asks, the size of bodies, and headers of every answer.

Any page that a user visits can send requests to this machine, and a name that it controls can be made to lead here (DNS
rebinding). So a request must name a host that is known to be this service, and must not come from another site.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deploy.server.access.people import People
from deploy.server.access.sessions import Sessions
from deploy.server.access.transport import PLAIN, Transport
from deploy.server.access.users_file import UsersFile
from deploy.server.answers import error_answer
from deploy.server.auditing.recorder import Recorder
from schemas.errors import PlanError
from schemas.visible_text import visible

_log = logging.getLogger(__name__)
LOOPBACK = ("localhost", "127.0.0.1", "::1")
MOST_JSON_BYTES = 2**20
_OPEN = ("/api/login", "/api/logout")  # what is answered to anybody, besides what is_page names
COOKIE = "regionlake"
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


@dataclass(frozen=True, slots=True)
class Access:
    """Who may ask.

    hosts: names in `Host` that are this service, in small letters without a port. any_address: whether every IP address
        is one, too: a service that listens on all addresses does not know them, and no address can be rebound.
    token: a bearer token, whose holder is an admin. users: the file of users. None of the two: there is no login,
        for a service on loopback.
    transport: how requests come. sessions: a file that keeps sessions over a restart; None: they end with the service.
    """

    hosts: frozenset[str] = frozenset(LOOPBACK)
    any_address: bool = False
    token: str | None = None
    users: UsersFile | None = None
    transport: Transport = PLAIN
    sessions: Path | None = None

    def knows(self, host: str) -> bool:
        """Whether `host`, with or without a port, is this service."""
        name = _name(host)
        return name is not None and (name in self.hosts or (self.any_address and _is_address(name)))

    @property
    def has_login(self) -> bool:
        return self.token is not None or self.users is not None

    def people(self) -> People:
        """Those who may ask. A cookie named `__Host-…` is taken by browsers over TLS alone, from this host alone."""
        cookie = f"__Host-{COOKIE}" if self.transport.secure else COOKIE
        return People(token=self.token, users=self.users, cookie=cookie, sessions=Sessions(self.sessions))


class Guard:
    """Middleware: refuses foreign and unknown requests, and bounds bodies. most_bytes: of an upload.

    policy: the Content-Security-Policy of every answer. recorder: writes the audit log.
    """

    def __init__(
        self, app: ASGIApp, *, access: Access, people: People, recorder: Recorder, policy: str, most_bytes: int
    ) -> None:
        self._app = app
        self._access = access
        self._people = people
        self._recorder = recorder
        self._headers = _ALWAYS | {"Content-Security-Policy": policy}
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # a websocket is closed: there are none
        send = self._with_headers(send)
        scope.setdefault("state", {})
        refused = self._refusal(scope)
        if refused is not None and refused[0] == 401 and Headers(scope=scope).get("authorization"):
            scope["state"]["audit"] = {"action": "sign in", "what": {}}  # or tokens could be guessed unseen
        if refused is None or refused[0] == 401:
            client = self._access.transport.client(scope, Headers(scope=scope))
            send = self._recorder.recording(scope, send, client=client)
        if refused is not None:
            status, sentence = refused
            headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
            await error_answer(status, sentence, headers=headers)(scope, receive, send)
            return
        most = self._most_bytes if scope["path"] == "/api/pictures" else MOST_JSON_BYTES
        await self._app(scope, _bounded(receive, Headers(scope=scope), most), send)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._access.knows(hosts[0]):
            named = visible(", ".join(hosts))[:200] or "none"
            return 403, f"the Host {named} is not this service; ask it by its own name, or allow one: --allow-host NAME"
        origin = headers.get("origin")
        if origin is not None and not _same_site(origin, hosts[0]):
            return 403, f"the page {visible(origin)[:200]} is of another site, which may not ask this service"
        path = scope["path"]
        untrusted = None if path == "/healthz" else self._access.transport.refusal(scope, headers)
        if untrusted is not None:
            return 403, untrusted
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and not is_page(path):
            return 403, "another site may not ask this service"
        if path in _OPEN or is_page(path):
            return None
        try:
            person = self._people.of_request(headers)
        except PlanError as error:
            _log.error("%s", error)
            return 503, "the users of this service cannot be read, so that nobody may ask; its log says why"
        if person is None:
            return 401, "this service has users: send a token as `Authorization: Bearer …`, or sign in at /api/login"
        scope["state"]["person"] = person
        return None

    def _with_headers(self, send: Send) -> Send:
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        return answer


class BodyTooLargeError(Exception):
    """The body of a request exceeds the limit."""


def is_page(path: str) -> bool:
    """Whether the path is of the page itself, or /healthz: what holds nothing of the lake."""
    return not path.startswith("/api/") and path not in ("/api", "/metrics")


def read_token(text: str) -> str:
    """The token in a file: its first line. Raises ValueError for one that can be guessed."""
    token = (text.splitlines() or [""])[0].strip()
    if len(token) < 16 or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError(
            "a token is a line of 16 ASCII characters or more without spaces, e.g. of: openssl rand -hex 32"
        )
    return token


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    name = _name(host)
    return name is not None and (name == "localhost" or (_is_address(name) and ip_address(name).is_loopback))


def access_of(
    host: str,
    *,
    allowed: Iterable[str],
    token: str | None,
    users: UsersFile | None = None,
    transport: Transport = PLAIN,
) -> Access:
    """Who may ask a service that listens at `host`. allowed: further names of it, as a proxy gives them."""
    named = {each.lower() for each in allowed}
    own = _name(host) or host.lower()
    hosts = frozenset({*LOOPBACK, own, *named})
    reached = not is_loopback(host)
    return Access(hosts, any_address=reached and _is_address(own), token=token, users=users, transport=transport)


def _bounded(receive: Receive, headers: Headers, most_bytes: int) -> Receive:
    seen = 0
    announced = headers.get("content-length", "")

    async def bounded() -> Message:
        nonlocal seen
        if announced.isdigit() and int(announced) > most_bytes:
            raise BodyTooLargeError(f"a body of {int(announced):,} bytes; at most {most_bytes:,} are read")
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most_bytes:
            raise BodyTooLargeError(f"a body of more than {most_bytes:,} bytes")
        return message

    return bounded


def _same_site(origin: str, host: str) -> bool:
    """Whether an Origin is this service. Its scheme is not compared: a proxy may add TLS."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def _name(host: str) -> str | None:
    """The host without its port and brackets."""
    try:
        return urlsplit(f"//{host}" if host.count(":") < 2 or host.startswith("[") else f"//[{host}]").hostname
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
