"""Proxy: headers, from peers whose word counts."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from ragtrace.errors import ConfigError
from ragtrace_asgi._claims import Scope
from ragtrace_asgi._unknown import UnknownCaller

__all__ = ["Proxy"]


class Proxy:
    """The headers of a request as claims, where a trusted proxy is who has connected.

    The names are in small letters. A header that is there twice counts as one with both values,
    and so as nobody's name. The proxy must remove these headers from what it is sent. The peer is
    the one that the server names: a server that takes it from ``X-Forwarded-For`` must not be
    told to here (uvicorn: ``--no-proxy-headers``).

    Args:
        peers: Addresses or networks: ``"10.1.2.3"``, ``"10.0.0.0/8"``, ``"fd00::/8"``.

    Raises:
        ConfigError: There is none, or one is no address, or all the world.
    """

    basis: Final = "proxy"

    def __init__(self, *peers: str) -> None:
        if not peers:
            raise ConfigError("Proxy: expected the address of at least one trusted peer")
        try:
            self._networks = tuple(ip_network(peer) for peer in peers)
        except (ValueError, TypeError):
            raise ConfigError("Proxy: expected addresses or networks, as 10.0.0.0/8") from None
        if any(network.prefixlen == 0 for network in self._networks):
            raise ConfigError("Proxy: expected certain peers, not every address there is")

    def __call__(self, scope: Scope) -> Mapping[str, str]:
        """The headers.

        Raises:
            UnknownCaller: Somebody else has connected.
        """
        if not self._trusts(scope.get("client")):
            raise UnknownCaller("untrusted-peer")
        headers: dict[str, str] = {}
        for name, value in scope.get("headers", ()):
            key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        return headers

    def _trusts(self, client: object) -> bool:
        try:
            peer = ip_address(client[0])  # type: ignore[index]  # a pair, or nothing
        except (ValueError, TypeError, IndexError):
            return False
        if isinstance(peer, IPv6Address) and peer.ipv4_mapped is not None:
            peer = peer.ipv4_mapped
        return any(peer in network for network in self._networks)
