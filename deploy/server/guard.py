"""What stands before every request: which sites may ask, the token, the size of bodies, and headers of every answer.

Any page that a user visits can send requests to this machine, and a name that it controls can be made to lead here (DNS
rebinding). So a request must name a host that is known to be this service, and must not come from another site.
"""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deploy.server.answers import error_answer
from schemas.visible_text import visible

COOKIE = "regionlake"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
MOST_JSON_BYTES = 2**20
_OPEN = ("/healthz", "/api/login")  # what is answered without a token, besides the page's own files
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
    token: the bearer token; None for a service on loopback.
    """

    hosts: frozenset[str] = frozenset(LOOPBACK)
    any_address: bool = False
    token: str | None = None

    def knows(self, host: str) -> bool:
        """Whether `host`, with or without a port, is this service."""
        name = _name(host)
        return name is not None and (name in self.hosts or (self.any_address and _is_address(name)))

    def accepts(self, token: str) -> bool:
        """Whether the token is right, in a time that does not depend on it."""
        return self.token is None or hmac.compare_digest(_hashed(token), _hashed(self.token))

    @property
    def cookie(self) -> str:
        """What the cookie of a login holds: made from the token, which it does not reveal."""
        return hmac.new((self.token or "").encode(), b"regionlake login", hashlib.sha256).hexdigest()


class Guard:
    """Middleware: refuses foreign and unknown requests, and bounds bodies. most_bytes: of an upload.

    policy: the Content-Security-Policy of every answer.
    """

    def __init__(self, app: ASGIApp, *, access: Access, policy: str, most_bytes: int) -> None:
        self._app = app
        self._access = access
        self._headers = _ALWAYS | {"Content-Security-Policy": policy}
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # a websocket is closed: there are none
        send = self._with_headers(send)
        refused = self._refusal(scope)
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
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and not is_page(path):
            return 403, "another site may not ask this service"
        if self._access.token is None or path in _OPEN or is_page(path) or self._known(headers):
            return None
        return 401, "this service has a token: send it as `Authorization: Bearer …`, or log in at /api/login"

    def _known(self, headers: Headers) -> bool:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._access.accepts(token.strip())
        cookies: SimpleCookie = SimpleCookie()
        try:
            cookies.load(headers.get("cookie", ""))
        except CookieError:
            return False
        held = cookies[COOKIE].value if COOKIE in cookies else ""
        return hmac.compare_digest(_hashed(held), _hashed(self._access.cookie))

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
    """Whether the path is of the page itself, which holds nothing of the lake."""
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


def access_of(host: str, *, allowed: Iterable[str], token: str | None) -> Access:
    """Who may ask a service that listens at `host`. allowed: further names of it, as a proxy gives them."""
    named = {each.lower() for each in allowed}
    own = _name(host) or host.lower()
    if is_loopback(host):
        return Access(frozenset({*LOOPBACK, own, *named}), token=token)
    return Access(frozenset({*LOOPBACK, own, *named}), any_address=_is_address(own), token=token)


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


def _hashed(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="replace")).digest()
