"""Peer: the other end of a connection, and whether it is a program of this machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

__all__ = ["Peer", "is_loopback"]

_PROXIES: Final = frozenset(
    {"forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip"}
    | {"true-client-ip", "cf-connecting-ip", "fastly-client-ip"}
)
_OF_PROXIES: Final = ("x-forwarded-", "x-envoy-", "x-original-")
"""Headers that a proxy writes, and nobody who speaks for himself."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who a request comes from, as far as its connection tells.

    Attributes:
        address: As the socket has it, without a port; empty where it has none.
        headers: Of the request, or the metadata of a call; tokens are among them.
        version: Of HTTP.
    """

    address: str
    headers: Mapping[str, str] = field(repr=False)
    version: str = "1.1"

    @classmethod
    def of(cls, request: HTTPConnection) -> Self:
        """The other end of an HTTP request or of a socket."""
        address = request.client.host if request.client is not None else ""
        return cls(address, request.headers, request.scope.get("http_version", "1.1"))

    @property
    def authorization(self) -> str | None:
        """What it shows."""
        return self.headers.get("authorization")

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine, and no sign says that it speaks for somebody else.

        A proxy is a local peer for everybody behind it, and a web page that renames a host to
        127.0.0.1 is one for its visitor.
        """
        return is_loopback(self.address) and not self._is_proxy and self._asks_for_this_machine

    @property
    def _is_proxy(self) -> bool:
        # 1.0 is what nginx speaks to what is behind it, and hardly anything else speaks any more.
        return self.version == "1.0" or any(
            name.lower() in _PROXIES or name.lower().startswith(_OF_PROXIES)
            for name in self.headers
        )

    @property
    def _asks_for_this_machine(self) -> bool:
        host, origin = self.headers.get("host"), self.headers.get("origin")
        # A call of gRPC has none; what else has none is no browser, but may be a proxy.
        named = self.version == "2" if host is None else _is_local_name(f"//{host}")
        return named and (origin is None or _is_local_name(origin))


def _is_local_name(url: str) -> bool:
    try:
        name = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return name == "localhost" or is_loopback(name)


def is_loopback(host: str) -> bool:
    """Whether an address is one of this machine's own, which no other reaches."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
