"""Addresses of streams: the options with which FFmpeg opens them, and the reasons why opening one failed."""

import errno
import socket
from typing import Literal
from urllib.parse import urlsplit

import av.error

from operators.readers.container import FORMATS

# Protocols that FFmpeg may use for each kind of address: the author of a playlist chooses the files that it names.
_PROTOCOLS = {
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsp,rtp,udp,tcp,tls",
    "http": "http,https,tcp,tls,crypto",
    "https": "http,https,tcp,tls,crypto",
    "udp": "udp",
    "rtp": "rtp,udp",
    "tcp": "tcp",
    "srt": "srt,udp",
    "rtmp": "rtmp,tcp",
    "rtmps": "rtmp,rtmps,tls,tcp",
}
STREAM_SCHEMES = frozenset(_PROTOCOLS)
_STREAM_FORMATS = f"{FORMATS},rtsp,sdp,rtp,hls"


def is_address(name: str) -> bool:
    """Whether `name` is the address of a stream, not a path."""
    return bool(_scheme(name))


def _scheme(address: str) -> str:
    scheme, colon, _ = address.partition("://")
    return scheme.lower() if colon else ""


def options_of(address: str, *, transport: Literal["tcp", "udp"], read_timeout_s: float) -> dict[str, str]:
    """The options with which FFmpeg opens `address`. transport: transport protocol of RTSP."""
    scheme = _scheme(address)
    micros = str(int(read_timeout_s * 1e6))
    options = {
        "format_whitelist": _STREAM_FORMATS if scheme else FORMATS,
        "protocol_whitelist": _PROTOCOLS.get(scheme, "none"),  # "none": a file may open no other file
        "analyzeduration": "2000000",
    }
    if scheme in ("rtsp", "rtsps"):
        return {**options, "rtsp_transport": transport, "timeout": micros}
    if scheme in ("http", "https"):
        # start with the newest segment of the playlist; FFmpeg's default, the last but two, would delay every hit
        return {**options, "live_start_index": "-1"}
    if scheme in ("udp", "rtp"):
        return {**options, "timeout": micros, "overrun_nonfatal": "1", "fifo_size": "50000"}
    return options


def reason_of(error: Exception, address: str = "") -> str:
    """What went wrong, without the address, because it may contain a password."""
    if isinstance(error, av.error.ProtocolNotFoundError):
        return (
            "PyAV's FFmpeg does not support this protocol; forward the stream through one that it supports, such as "
            "`ffmpeg -i srt://HOST:PORT -c copy -f mpegts udp://127.0.0.1:PORT`"
        )
    if isinstance(error, av.error.ExitError):
        return "no answer within the deadline"
    if isinstance(error, OSError) and error.errno == errno.EIO and not _host_is_known(address):
        return "no such host"  # FFmpeg reports it as an input/output error
    return getattr(error, "strerror", None) or type(error).__name__


def _host_is_known(address: str) -> bool:
    try:
        host = urlsplit(address).hostname
        return not host or bool(socket.getaddrinfo(host, None))
    except (OSError, ValueError):
        return False
