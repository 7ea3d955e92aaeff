"""One attempt at telling a webhook of a hit."""

import logging
import math
import time
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit, urlunsplit

import urllib3

from schemas.errors import InvalidValueError

_REFUSALS = frozenset({400, 413, 415, 422})  # of what was sent: sent again, it is refused again
_NO_ADDRESS = "a webhook is an address as https://host/path; a / or @ in its password is written %2F or %40"
_READ_BYTES = 65536  # of an answer; with more of it, or a slow one, the connection is not used again


@dataclass(frozen=True, slots=True)
class Attempt:
    """outcome: "failed" may go well the next time, "refused" will not. wait_s: the least pause that it asked for."""

    outcome: Literal["delivered", "failed", "refused"]
    error: str = ""
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class WebhookConfig:
    """url: http(s)://…, where a user and password become basic authentication. token: sent as a bearer's
        instead.

    timeout_s: to connect, again between any two pieces of the answer's head, and again for its body.
    """

    url: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            _ = parts.port
        except ValueError:
            raise InvalidValueError(_NO_ADDRESS) from None  # its own words quote the address
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidValueError(_NO_ADDRESS)
        if self.timeout_s <= 0:
            raise InvalidValueError(f"the webhook's timeout_s must be positive, got {self.timeout_s}")
        if self.token is not None and not (self.token.strip() and self.token.isascii() and self.token.isprintable()):
            raise InvalidValueError("the webhook's token is empty, or has characters that no header can hold")

    @property
    def shown(self) -> str:
        """Its host alone: paths and parameters of webhooks are often their password."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


class Webhook:
    """POSTs JSON; an answer of 200 to 299 says that it was taken. Redirections are not followed: they lose the body."""

    def __init__(self, config: WebhookConfig) -> None:
        self.config = config
        parts = urlsplit(config.url)
        user, at, host = parts.netloc.rpartition("@")
        self._url = urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
        self._headers = {"Content-Type": "application/json", "User-Agent": "regionlake"}
        if config.token is not None:
            self._headers["Authorization"] = f"Bearer {config.token}"
        elif at:
            self._headers["Authorization"] = f"Basic {b64encode(unquote(user).encode()).decode()}"
        logging.getLogger("urllib3").setLevel(logging.ERROR)  # below, it quotes paths: they are often a password
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=config.timeout_s, read=config.timeout_s), retries=False
        )

    def post(self, body: str, *, key: str) -> Attempt:
        """key: the same for every attempt at this body, as `Idempotency-Key`."""
        headers = self._headers | {"Idempotency-Key": key}
        try:
            answer = self._pool.request(
                "POST",
                self._url,
                body=body.encode(),
                headers=headers,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            # urllib3 derives a refused connection from a timeout
            late = isinstance(error, urllib3.exceptions.TimeoutError)
            if late and not isinstance(error, urllib3.exceptions.NewConnectionError):
                return Attempt("failed", f"no answer within {self.config.timeout_s:g} s")
            return Attempt("failed", f"no connection ({type(error).__name__})")  # their words hold addresses
        status, wait_s = answer.status, _seconds(answer.headers.get("Retry-After"))
        _read_to_the_end(answer, within_s=self.config.timeout_s)
        if 200 <= status < 300:
            return Attempt("delivered")
        return Attempt("refused" if status in _REFUSALS else "failed", f"HTTP {status}", wait_s)

    def close(self) -> None:
        self._pool.clear()


def _read_to_the_end(answer: urllib3.BaseHTTPResponse, *, within_s: float) -> None:
    """So that the connection can be used again; one whose answer is long, slow or broken is closed."""
    deadline, left = time.monotonic() + within_s, _READ_BYTES
    try:
        while piece := answer.read1(left):
            left -= len(piece)
            if not left or time.monotonic() > deadline:
                answer.close()
                break
    except (urllib3.exceptions.HTTPError, OSError):
        answer.close()
    answer.release_conn()


def _seconds(header: str | None) -> float:
    try:
        seconds = float(header or 0.0)
    except ValueError:  # a date: its own pauses will do
        return 0.0
    return seconds if 0.0 < seconds < math.inf else 0.0
