"""Which addresses may be fetched, and how much from them: that depends on who named them, and where they lead."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from pipeline.reading.addresses import is_http, is_remote
from schemas import require
from schemas.errors import InvalidValueError, SourceError

Address = IPv4Address | IPv6Address
_NAT64 = IPv6Network("64:ff9b::/96")  # the last 32 bits are an IPv4 address


@dataclass(frozen=True, slots=True)
class DownloadConfig:
    """The limits of a file that is downloaded.

    max_bytes: a file that is larger is refused, also where the server does not say how large it is.
    min_bytes_per_s: a download that is slower on average over `slow_s` seconds is refused.
    """

    max_bytes: int = 50 * 10**9
    min_bytes_per_s: int = 1000
    slow_s: float = 60.0

    def __post_init__(self) -> None:
        require.at_least(1, max_bytes=self.max_bytes)
        require.at_least(0, min_bytes_per_s=self.min_bytes_per_s)
        require.above(0, slow_s=self.slow_s)


@dataclass(frozen=True, slots=True)
class FetchRule:
    """Which hosts and buckets may be contacted for a source.

    of_lake: a lake names the source, not the user. A lake may be somebody else's, and may name any address, also one
        that only this machine reaches; then only what `allowed` names is asked, redirections included.
    allowed: names of hosts, IP addresses, and `s3://bucket`, each of which the user named.
    """

    of_lake: bool = False
    allowed: frozenset[str] = frozenset()
    download: DownloadConfig = field(default_factory=DownloadConfig)

    def require_source(self, address: str) -> None:
        """Raises SourceError unless the source may be fetched; the address of HTTP is checked when it is opened."""
        if not self.of_lake or not is_remote(address) or is_http(address):
            return
        scheme, _, rest = address.partition("://")
        place = f"{scheme}://{rest.partition('/')[0].rpartition('@')[2]}"
        if place not in self.allowed or "::" in address:
            raise SourceError(_not_allowed(place))

    def require_host(self, host: str, addresses: list[Address], *, named: str) -> list[Address]:
        """The addresses of a host that may be connected to. Raises SourceError if there is none.

        named: the host of the source itself, from which a redirection may have led to `host`.
        """
        if self.of_lake and host not in self.allowed:
            raise SourceError(_not_allowed(host))
        if not self.of_lake and (host == named or host in self.allowed):
            return addresses
        open_to_all = [each for each in addresses if is_public(each) or str(each) in self.allowed]
        if not open_to_all:
            private = addresses[0]
            at = "" if host == str(private) else f"{host} is at {private}: "
            led = "" if host == named else f"{named} redirects there: "
            raise SourceError(f"{led}{at}a private address, which is asked only where it is allowed: --fetch {private}")
        return open_to_all


def allow(names: Sequence[str]) -> frozenset[str]:
    """What `--fetch` allows: hosts as URLs have them, and `s3://bucket`. Raises InvalidValueError for others."""
    allowed = set()
    for name in names:
        if is_remote(name) and not is_http(name):
            scheme, _, rest = name.partition("://")
            allowed.add(f"{scheme}://{rest.partition('/')[0]}")
            continue
        try:
            host = urlsplit(name if is_http(name) else f"//{name}").hostname
        except ValueError:
            host = None
        if not host:
            raise InvalidValueError(f"--fetch takes a host or s3://bucket, got {name!r}")
        allowed.add(canonical_host(host))
    return frozenset(allowed)


def canonical_host(host: str) -> str:
    """The host in the form in which hosts are compared: small letters, no dot at the end, and IDNA as in requests."""
    try:
        return str(ip_address(host.strip("[]")))
    except ValueError:
        host = host.rstrip(".").lower()
        return host if host.isascii() else host.encode("idna").decode()


def is_public(address: Address) -> bool:
    """Whether the address is one of the whole internet: not private, loopback, link-local, reserved or multicast."""
    if isinstance(address, IPv6Address):
        within = address.ipv4_mapped or address.sixtofour
        if within is None and address in _NAT64:
            within = IPv4Address(int(address) & 0xFFFFFFFF)
        if within is not None:
            return is_public(within)
    return address.is_global and not address.is_multicast


def too_large(max_bytes: int, size: int | None = None) -> str:
    """Why a file is refused that has `size` bytes, or more than `max_bytes` where the size is not known."""
    what = "more bytes" if size is None else f"{size:,} bytes"
    return f"it has {what}, and at most {max_bytes:,} are fetched; run.download.max_bytes of the plan sets this limit"


def _not_allowed(place: str) -> str:
    return (
        f"the lake names it, and {place} was not allowed; a lake may name addresses that only this machine reaches, so "
        f"if you trust this one, add --fetch {place}"
    )
