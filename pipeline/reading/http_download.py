"""Fetches a file over HTTP: from hosts that the rule allows, at most so much of it, and not for ever."""

import socket
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import IO, Literal
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit, urlunsplit

import urllib3

from pipeline.reading.fetch_rule import Address, FetchRule, canonical_host, too_large
from pipeline.runtime.time_source import REAL_TIME, TimeSource
from schemas.errors import SourceError

_TIMEOUT = urllib3.Timeout(connect=15.0, read=30.0)  # read: for each part that is waited for
_REDIRECTIONS = 10
_CHUNK_BYTES = 1 << 20
_IN_URLS = "%/:=&?~#+!$,;'@()*[]|"  # not quoted: they are so already, or separate parts


@dataclass(frozen=True, slots=True)
class HttpFile:
    """A file as a server offers it.

    version: changes whenever the file does; None if the server does not say. size: None likewise.
    """

    version: str | None
    size: int | None


class HttpDownload:
    """Downloads one address; `close` ends the connection."""

    def __init__(self, address: str, rule: FetchRule, *, time: TimeSource = REAL_TIME) -> None:
        self._address = address
        self._rule = rule
        self._time = time
        self._answer: urllib3.BaseHTTPResponse | None = None
        self._reads = False

    def about(self) -> HttpFile:
        """What the server says of the file. Raises SourceError where it is refused, missing or too large."""
        self._open("HEAD")
        if self._answer is not None and self._answer.status >= 400:
            self._open("GET")  # signed addresses are often valid for GET alone
        return self._described()

    def save(self, file: IO[bytes], *, on_progress: Callable[[], None]) -> HttpFile:
        """Writes the file's bytes to `file`; returns what the server said of them.

        on_progress: called after every part. Raises SourceError where the file is too large or comes too slowly.
        """
        if not self._reads:
            self._open("GET")
        described, limits = self._described(), self._rule.download
        size = 0
        began_s, before = self._time.monotonic_s(), 0
        for part in self._parts():
            file.write(part)
            size += len(part)
            if size > limits.max_bytes:
                raise SourceError(too_large(limits.max_bytes))
            took_s = self._time.monotonic_s() - began_s
            if took_s >= limits.slow_s:
                if size - before < limits.min_bytes_per_s * took_s:
                    raise SourceError(
                        f"it came at less than {limits.min_bytes_per_s} bytes a second for {took_s:.0f} s; "
                        "run.download.min_bytes_per_s and run.download.slow_s of the plan set this limit"
                    )
                began_s, before = self._time.monotonic_s(), size
            on_progress()
        file.flush()
        return described

    def _parts(self) -> Iterator[bytes]:
        answer = self._answer
        assert answer is not None
        try:
            while part := answer.read1(_CHUNK_BYTES, decode_content=True):  # read() would wait for a whole chunk
                yield part
        except urllib3.exceptions.HTTPError as error:
            raise SourceError(f"it broke off: {_reason(error)}") from None

    def _described(self) -> HttpFile:
        answer = self._answer
        assert answer is not None
        if answer.status != 200:
            raise SourceError(f"the server answers {answer.status} {answer.reason or ''}".rstrip())
        headers = answer.headers
        length = headers.get("Content-Length", "")
        size = int(length) if length.isdecimal() and not headers.get("Content-Encoding") else None
        if size is not None and size > self._rule.download.max_bytes:
            raise SourceError(too_large(self._rule.download.max_bytes, size))
        told = [headers.get("ETag"), headers.get("Last-Modified")]
        # a size alone is not enough: cameras write many pictures of one size
        return HttpFile(repr([*told, size]) if any(told) else None, size)

    def _open(self, method: Literal["HEAD", "GET"]) -> None:
        """Asks for the address, and follows redirections to hosts that the rule allows."""
        self.close()
        url = urlsplit(self._address)
        named, authorization = _host(url), _basic(url)
        for _ in range(_REDIRECTIONS):
            headers = {"User-Agent": "regionlake", "Accept-Encoding": "identity"}
            if authorization and _host(url) == named:  # another host must not learn the password
                headers["Authorization"] = authorization
            self._answer = self._request(method, url, headers, named=named)
            self._reads = method == "GET"
            target = self._answer.headers.get("Location")
            if not (300 <= self._answer.status < 400 and target):
                return
            self.close()
            url = urlsplit(urljoin(urlunsplit(url), target))
        raise SourceError(f"it redirects more than {_REDIRECTIONS} times")

    def _request(
        self, method: str, url: SplitResult, headers: dict[str, str], *, named: str
    ) -> urllib3.BaseHTTPResponse:
        if url.scheme not in ("http", "https"):
            raise SourceError(f"it redirects to {url.scheme}://, which is not HTTP")
        host, port = _host(url), url.port or (443 if url.scheme == "https" else 80)
        addresses = self._rule.require_host(host, _resolved(host, port), named=named)
        shown = f"[{host}]" if ":" in host else host
        headers = headers | {"Host": shown if url.port is None else f"{shown}:{port}"}
        target = quote(urlunsplit(("", "", url.path or "/", url.query, "")), safe=_IN_URLS)
        error: Exception | None = None
        for address in addresses:
            # to this very address: a name could be at another one when it is looked up again
            pool = (
                urllib3.HTTPSConnectionPool(str(address), port, assert_hostname=host, server_hostname=host)
                if url.scheme == "https"
                else urllib3.HTTPConnectionPool(str(address), port)
            )
            try:
                return pool.urlopen(
                    method, target, headers=headers, redirect=False, retries=False, timeout=_TIMEOUT,
                    preload_content=False, decode_content=False, assert_same_host=False,
                )  # fmt: skip
            except (urllib3.exceptions.HTTPError, OSError) as failed:
                error = failed
        assert error is not None
        raise SourceError(_reason(error)) from None

    def close(self) -> None:
        if self._answer is not None:
            self._answer.close()
        self._answer, self._reads = None, False


def _host(url: SplitResult) -> str:
    if not url.hostname:
        raise SourceError("the address has no host")
    return canonical_host(url.hostname)


def _basic(url: SplitResult) -> str | None:
    user, at, _ = url.netloc.rpartition("@")
    return f"Basic {b64encode(unquote(user).encode()).decode()}" if at else None


def _resolved(host: str, port: int) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SourceError(f"the host {host} cannot be found: {getattr(error, 'strerror', None) or error}") from None
    return list(dict.fromkeys(ip_address(str(sockaddr[0]).partition("%")[0]) for *_, sockaddr in found))


def _reason(error: Exception) -> str:
    """What went wrong, without the wrapping of the library, which repeats the address."""
    cause: BaseException = error
    while isinstance(cause, urllib3.exceptions.HTTPError) and isinstance(cause.__cause__ or cause.__context__, OSError):
        cause = cause.__cause__ or cause.__context__ or cause
    if isinstance(cause, TimeoutError | urllib3.exceptions.TimeoutError):
        return "no answer in time"
    return getattr(cause, "verify_message", None) or getattr(cause, "strerror", None) or str(cause)
