"""How a request has come: from which address, and whether nobody could read it on its way."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import Scope

from schemas.errors import InvalidValueError

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Transport:
    """tls: whether this process has a certificate of its own.

    proxies: the addresses of proxies that add TLS. With any, requests come through one of them alone, and only what
        they forward (`X-Forwarded-For`, `X-Forwarded-Proto`) is believed: anybody can write these headers.
    """

    tls: bool = False
    proxies: tuple[Network, ...] = ()

    @property
    def secure(self) -> bool:
        """Whether every request is encrypted on its way from the client."""
        return self.tls or bool(self.proxies)

    def refusal(self, scope: Scope, headers: Headers) -> str | None:
        """Why a request may not have come as it did; None if it may."""
        if not self.proxies:
            return None
        peer = _peer(scope)
        if not self._trusts(peer):
            return f"this service is asked through its proxy, and not from {peer}"
        protocols = headers.getlist("x-forwarded-proto")
        if [each.strip().lower() for each in protocols] != ["https"]:
            return "the proxy must take requests by https and say so: X-Forwarded-Proto: https"
        return None

    def client(self, scope: Scope, headers: Headers) -> str:
        """The address of whoever asks: the last one before the proxies."""
        peer = _peer(scope)
        if not self._trusts(peer):
            return peer
        for part in reversed(",".join(headers.getlist("x-forwarded-for")).split(",")):
            address = part.strip()
            try:
                ip_address(address)
            except ValueError:
                break
            peer = address
            if not self._trusts(peer):
                break
        return peer

    def _trusts(self, address: str) -> bool:
        try:
            found = ip_address(address)
        except ValueError:
            return False
        mapped = getattr(found, "ipv4_mapped", None) or found
        return any(mapped in network for network in self.proxies)


PLAIN = Transport()


def networks_of(given: Sequence[str]) -> tuple[Network, ...]:
    """Addresses and networks, as `--behind-proxy` takes them. Raises InvalidValueError."""
    try:
        return tuple(ip_network(each, strict=False) for each in given)
    except ValueError as error:
        raise InvalidValueError(
            f"a proxy is an address or a network, such as 10.0.0.2 or 10.0.0.0/8: {error}"
        ) from None


def _peer(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "unknown"
