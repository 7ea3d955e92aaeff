"""TLS of streams: whether the server of a feed is the one that was meant, checked before anything is sent to it.

FFmpeg verifies RTSP and RTMP itself (authority, name, dates) if its options say so; with a pinned certificate it gets
that one as the only authority, and compares the server's with it. It passes none of this on to the segments of a
playlist, so a playlist and its segments are fetched here.
"""

import hashlib
import os
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

import certifi
import urllib3

from schemas.errors import InvalidValueError, SourceError

_PORTS = {"rtsps": 322, "rtmps": 443, "https": 443}
_SYSTEM_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
_REDIRECTIONS = 5


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """Which certificate of a feed's server is trusted.

    verify: False trusts any; whoever is between can then replace the video and read passwords.
    certificate: SHA-256 of the only certificate that is trusted, as 64 hexadecimal digits, whoever signed it and
        whatever names it has; None: every certificate of the server's name that an authority signed.
    ca_file: PEM file of the authorities; empty: those of this machine.
    """

    verify: bool = True
    certificate: str | None = None
    ca_file: str = ""

    def __post_init__(self) -> None:
        if self.certificate is not None and not re.fullmatch("[0-9a-f]{64}", self.certificate):
            raise InvalidValueError(
                f"certificate must be a SHA-256 of 64 small hexadecimal digits, got {self.certificate!r}; "
                "`regionlake feeds add NAME URL --trust-certificate` writes it"
            )
        if self.certificate is not None and not self.verify:
            raise InvalidValueError("a feed with a trusted certificate is verified: omit certificate or verify = false")


@dataclass(frozen=True, slots=True)
class Trust:
    """What FFmpeg needs to open an address: its options, and for a playlist what opens it and its segments."""

    options: Mapping[str, str] = field(default_factory=dict)
    playlist: "VerifiedPlaylist | None" = None


def uses_tls(address: str) -> bool:
    return urlsplit(address).scheme.lower() in _PORTS


@contextmanager
def trusted(address: str, config: TlsConfig, *, timeout_s: float) -> Iterator[Trust]:
    """Checks the server of an address; what is yielded makes FFmpeg check it again when it opens it in the block.

    Raises SourceError where the server cannot be reached, or its certificate is not trusted.
    """
    if not uses_tls(address) or not config.verify:
        yield Trust()
        return
    ca_file = authorities_of(config)
    if not Path(ca_file).is_file():
        raise SourceError(f"the file of authorities {ca_file} is not there (live.stream.ca_file)")
    pinned = None if config.certificate is None else _pinned(address, config.certificate, timeout_s=timeout_s)
    if pinned is None:
        _require_trusted(address, ca_file, timeout_s=timeout_s)
    if urlsplit(address).scheme.lower() == "https":
        playlist = VerifiedPlaylist(address, ca_file, config.certificate, timeout_s=timeout_s)
        try:
            yield Trust({"http_persistent": "0", "http_multiple": "0"}, playlist)
        except BaseException:
            playlist.close()
            raise
        return
    if pinned is None:
        yield Trust({"tls_verify": "1", "ca_file": ca_file})
        return
    with _in_memory(pinned) as path:
        name = _name_in(address, pinned, timeout_s=timeout_s)
        yield Trust({"tls_verify": "1", "ca_file": path, "verifyhost": name})


def server_certificate(address: str, *, timeout_s: float) -> bytes:
    """The certificate that the server of an address presents, as DER, whether or not it is trusted.

    Raises SourceError where the server cannot be reached by TLS.
    """
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with _connected(address, context, timeout_s=timeout_s) as connection:
        certificate = connection.getpeercert(binary_form=True)
    assert certificate is not None, "a server of TLS presents a certificate"
    return certificate


def fingerprint(certificate: bytes) -> str:
    """The SHA-256 of a certificate in DER, as 64 hexadecimal digits."""
    return hashlib.sha256(certificate).hexdigest()


class VerifiedPlaylist:
    """Opens the playlist of an address, and the segments that it names, from servers whose certificates are trusted.

    FFmpeg calls it with each address (`av.open(…, io_open=…)`).
    """

    def __init__(self, address: str, ca_file: str, certificate: str | None, *, timeout_s: float) -> None:
        parts = urlsplit(address)
        self._host = (parts.hostname, parts.port or 443)
        user, at, _ = parts.netloc.rpartition("@")
        self._own = urllib3.make_headers(basic_auth=unquote(user)) if at else {}
        timeout = urllib3.Timeout(connect=timeout_s, read=timeout_s)
        self._by_authority = urllib3.PoolManager(ca_certs=ca_file, timeout=timeout, retries=False)
        self._pinned = None
        if certificate is not None:
            self._pinned = urllib3.PoolManager(
                cert_reqs="CERT_NONE", assert_fingerprint=certificate, assert_hostname=False, timeout=timeout,
                retries=False,
            )  # fmt: skip

    def __call__(self, url: str, _flags: int, options: Mapping[str, str]) -> "PlaylistFile":
        if url.startswith("crypto"):
            raise SourceError(
                "the segments of the playlist are encrypted (AES-128), which is supported only without verification: "
                "verify = false"
            )
        headers = {"User-Agent": "regionlake", "Accept-Encoding": "identity"}
        if "offset" in options:
            last = int(options["end_offset"]) - 1 if "end_offset" in options else ""
            headers["Range"] = f"bytes={options['offset']}-{last}"
        for _ in range(_REDIRECTIONS):
            answer = self._request(url, headers)
            target = answer.headers.get("Location")
            if not (300 <= answer.status < 400 and target):
                break
            answer.close()
            url = urljoin(url, target)
        if answer.status not in (200, 206):
            answer.close()
            raise SourceError(f"the server answers {answer.status} {answer.reason or ''}".rstrip())
        return PlaylistFile(answer)

    def _request(self, url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise SourceError(f"the playlist leads to {parts.scheme or 'no scheme'}://, which is not verified")
        own = (parts.hostname, parts.port or 443) == self._host
        pool = self._pinned if own and self._pinned is not None else self._by_authority
        if own and self._own:
            headers = headers | self._own
        netloc = parts.netloc.rpartition("@")[2]
        try:
            return pool.request(
                "GET", urlunsplit(("https", netloc, parts.path, parts.query, "")), headers=headers, redirect=False,
                preload_content=False,
            )  # fmt: skip
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise SourceError(_reason(error, parts.hostname)) from None

    def close(self) -> None:
        for pool in (self._by_authority, self._pinned):
            if pool is not None:
                pool.clear()


class PlaylistFile:
    """One file of a playlist, for PyAV."""

    def __init__(self, answer: urllib3.BaseHTTPResponse) -> None:
        self._answer = answer

    def read(self, size: int) -> bytes:
        """The next at most `size` bytes; empty at the end. Raises SourceError where the answer breaks off."""
        try:
            return self._answer.read1(size)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise SourceError(f"a segment breaks off: {error}") from None

    def close(self) -> None:
        self._answer.close()


def authorities_of(config: TlsConfig) -> str:
    """The PEM file of the authorities."""
    if config.ca_file:
        return str(Path(config.ca_file).expanduser())
    known = (ssl.get_default_verify_paths().cafile, *_SYSTEM_BUNDLES)
    return next((each for each in known if each and Path(each).is_file()), certifi.where())


def _require_trusted(address: str, ca_file: str, *, timeout_s: float) -> None:
    """Explains a certificate that FFmpeg would refuse as an input/output error."""
    with _connected(address, ssl.create_default_context(cafile=ca_file), timeout_s=timeout_s):
        pass


def _pinned(address: str, certificate: str, *, timeout_s: float) -> bytes:
    found = server_certificate(address, timeout_s=timeout_s)
    if fingerprint(found) != certificate:
        raise SourceError(
            f"the certificate of {urlsplit(address).hostname} is another one: its SHA-256 is {fingerprint(found)}, and "
            f"{certificate} is trusted; if the server was given a new one, remove the feed and add it again with "
            "--trust-certificate"
        )
    return found


def _name_in(address: str, certificate: bytes, *, timeout_s: float) -> str:
    """A name that the certificate has: FFmpeg compares one, and a camera's is rarely its address."""
    context = ssl.create_default_context(cadata=ssl.DER_cert_to_PEM_cert(certificate))
    context.check_hostname = False
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN  # the certificate itself is the authority
    with _connected(address, context, timeout_s=timeout_s) as connection:
        described = cast(Mapping[str, Any], connection.getpeercert() or {})
    names = [str(value) for _, value in described.get("subjectAltName", ())]
    names += [str(value) for part in described.get("subject", ()) for key, value in part if key == "commonName"]
    if not names:
        raise SourceError(
            f"the trusted certificate of {urlsplit(address).hostname} has no name, which FFmpeg does not accept: "
            "use verify = false, or give the server one with a name"
        )
    return names[0].replace("*", "any")  # a name that a pattern matches


@contextmanager
def _connected(address: str, context: ssl.SSLContext, *, timeout_s: float) -> Iterator[ssl.SSLSocket]:
    parts = urlsplit(address)
    host = parts.hostname or ""
    port = parts.port or _PORTS[parts.scheme.lower()]
    try:
        with (
            socket.create_connection((host, port), timeout=timeout_s) as plain,
            context.wrap_socket(plain, server_hostname=host) as connection,
        ):
            yield connection
    except (ssl.SSLError, OSError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(_reason(error, host)) from None


def _reason(error: Exception, host: str) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"the certificate of {host} is not trusted: {cause.verify_message}; trust this one with `regionlake "
                "feeds add NAME URL --trust-certificate`, its authority with live.stream.ca_file, or any with verify = "
                "false"
            )
        if isinstance(cause, urllib3.exceptions.SSLError) and "Fingerprint" in str(cause):
            return f"the certificate of {host} is another one than the trusted one"
        if isinstance(cause, TimeoutError | urllib3.exceptions.TimeoutError):
            return f"no answer from {host} in time"
        cause = cause.__cause__ or cause.__context__ or next((a for a in cause.args if isinstance(a, Exception)), None)
    if isinstance(error, socket.gaierror):
        return "no such host"
    if isinstance(error, ssl.SSLError):
        return f"{host} does not speak TLS there: {error.reason or error}"
    return getattr(error, "strerror", None) or type(error).__name__


@contextmanager
def _in_memory(certificate: bytes) -> Iterator[str]:
    """The path of a PEM file that is on no disk, and can be read once: a confined process writes no files."""
    reads, writes = os.pipe()
    try:
        with os.fdopen(writes, "wb") as pipe:  # a certificate is smaller than a pipe, so nothing waits
            pipe.write(ssl.DER_cert_to_PEM_cert(certificate).encode())
        yield f"/proc/self/fd/{reads}"
    finally:
        os.close(reads)
