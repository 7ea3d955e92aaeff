"""Runs the service until a signal ends it."""

import socket
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import uvicorn

from deploy.monitoring.service_manager import ServiceManager
from deploy.server.app import make_app
from deploy.server.auditing.audit_log import AuditLog
from deploy.server.guard import Access
from deploy.server.service import Service
from schemas.errors import InvalidValueError

_GRACE_S = 5
_MOST_CONNECTIONS = 256
_KEEP_ALIVE_S = 30


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes any free one. Raises InvalidValueError where that is not possible."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        # named as TCP: otherwise asyncio leaves Nagle's algorithm on, and each answer waits 40 ms for an ACK
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except (OSError, OverflowError, UnicodeError) as error:
        raise InvalidValueError(f"cannot listen at {host}:{port}: {error}; choose another --port or --host") from None
    return listener


def address_of(listener: socket.socket, *, tls: bool = False) -> str:
    """The URL at which a socket listens."""
    host, port = listener.getsockname()[:2]
    scheme = "https" if tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


class Server(uvicorn.Server):
    """`run(sockets=[…])` serves until Ctrl-C, SIGTERM, or `should_exit` is set, and then closes the service.

    Requests that are being answered then have five seconds. ready: called when requests are accepted.
    audit: where they are recorded. certificate: files of a certificate with its chain, and of its key, for TLS.
    manager: receives reports that requests are accepted, and that the event loop makes progress.
    """

    def __init__(
        self,
        service: Service,
        *,
        access: Access,
        ready: Callable[[], None],
        audit: AuditLog | None = None,
        certificate: tuple[Path, Path] | None = None,
        manager: ServiceManager | None = None,
    ) -> None:
        super().__init__(_config(service, access, audit, certificate))
        self._ready = ready
        self._manager = manager or ServiceManager(None)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._ready()
            self._manager.ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._manager.stopping()
        await super().shutdown(sockets=sockets)

    async def on_tick(self, counter: int) -> bool:
        self._manager.alive()  # ten times a second, by the loop that answers requests
        return await super().on_tick(counter)


def _config(
    service: Service, access: Access, audit: AuditLog | None, certificate: tuple[Path, Path] | None
) -> uvicorn.Config:
    app = make_app(service, access=access, version=version("regionlake"), audit=audit)
    chain, key = certificate or (None, None)
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # access/transport.py believes those of named proxies alone
        ssl_certfile=chain,
        ssl_keyfile=key,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
        h11_max_incomplete_event_size=64 * 1024,
    )
