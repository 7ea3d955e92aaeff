"""Makes one attempt at delivering a hit to a webhook."""

import logging
import math
import time
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit, urlunsplit

import urllib3

from schemas.errors import InvalidValueError

_REFUSALS = frozenset({400, 413, 415, 422})  # they blame the body: sent again, it is refused again
_NO_ADDRESS = "a webhook is an address as https://host/path; a / or @ in its password is written %2F or %40"
_READ_BYTES = 65536  # of an answer; after a longer one, or a slow one, the connection is not used again


@dataclass(frozen=True, slots=True)
class Attempt:
    """outcome: "failed" may succeed the next time, "refused" will not. wait_s: the least pause that was requested."""

    outcome: Literal["delivered", "failed", "refused"]
    error: str = ""
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class WebhookConfig:
    """url: http(s)://…, whose user and password become basic authentication. token: sent as a bearer token instead.

    timeout_s: applies to connecting, to each wait for a part of the answer's head, and to its whole body.
    """

    url: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            _ = parts.port
        except ValueError:
            raise InvalidValueError(_NO_ADDRESS) from None  # its own message quotes the address
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidValueError(_NO_ADDRESS)
        if self.timeout_s <= 0:
            raise InvalidValueError(f"the webhook's timeout_s must be positive, got {self.timeout_s}")
        if self.token is not None and not (self.token.strip() and self.token.isascii() and self.token.isprintable()):
            raise InvalidValueError("the webhook's token is empty, or has characters that no header can hold")

    @property
    def shown(self) -> str:
        """The scheme and host alone: paths and parameters of webhooks are often secret."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


class Webhook:
    """POSTs JSON; an answer of 200 to 299 means delivered. Redirections are not followed: they lose the body."""

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
        logging.getLogger("urllib3").setLevel(logging.ERROR)  # its warnings quote paths, which are often secret
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=config.timeout_s, read=config.timeout_s), retries=False
        )

    def post(self, body: str, *, key: str) -> Attempt:
        """Sends a body once. key: the `Idempotency-Key`, the same for every attempt at this body."""
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
            return Attempt("failed", f"no connection ({type(error).__name__})")  # their messages hold addresses
        status, wait_s = answer.status, _seconds(answer.headers.get("Retry-After"))
        _read_to_the_end(answer, within_s=self.config.timeout_s)
        if 200 <= status < 300:
            return Attempt("delivered")
        return Attempt("refused" if status in _REFUSALS else "failed", f"HTTP {status}", wait_s)

    def close(self) -> None:
        self._pool.clear()


def _read_to_the_end(answer: urllib3.BaseHTTPResponse, *, within_s: float) -> None:
    """Reads an answer so that its connection can be used again; closes one whose answer is long, slow or broken."""
    deadline, left = time.monotonic() + within_s, _READ_BYTES
    try:
        while chunk := answer.read1(left):
            left -= len(chunk)
            if not left or time.monotonic() > deadline:
                answer.close()
                break
    except (urllib3.exceptions.HTTPError, OSError):
        answer.close()
    answer.release_conn()


def _seconds(header: str | None) -> float:
    try:
        seconds = float(header or 0.0)
    except ValueError:  # a date: the pauses between attempts are enough
        return 0.0
    return seconds if 0.0 < seconds < math.inf else 0.0
