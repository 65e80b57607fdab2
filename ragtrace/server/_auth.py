"""Auth: who a request comes from, and so what it may do and see; by default nothing."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Final

from fastapi import HTTPException
from starlette.requests import HTTPConnection

from ragtrace import config
from ragtrace.server._grants import Grant, Grants, fingerprint
from ragtrace.server._session import COOKIE, Sessions
from ragtrace.store import OWNER, Access

__all__ = ["Auth", "is_loopback"]

_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip")
_READER: Final = Access("RAGTRACE_READ_TOKEN", frozenset({"read"}), None, None)
"""Who shows the one token that a small installation has: it reads everything."""


class Auth:
    """Turns a bearer token into an ``Access``; the one place where that is done.

    Where neither a read token nor an access file is set, who is on this machine may do and see
    everything, and nobody else anything. Where only a read token is, readers must show it, and
    telemetry is taken from this machine. Where there is an access file, everybody must show a
    token.

    Args:
        read_token: Of a reader of everything.
        access_file: Path of the file of tokens, roles, levels and tenants.

    Raises:
        ConfigError: The access file cannot be used.
    """

    def __init__(self, read_token: str | None = None, access_file: str | None = None) -> None:
        given = [Grant(fingerprint(read_token), _READER)] if read_token else []
        self.grants = Grants(access_file, given)
        self.sessions = Sessions(self.grants)
        self._senders_known = access_file is not None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Auth:
        """Read ``RAGTRACE_READ_TOKEN`` and ``RAGTRACE_ACCESS``.

        Raises:
            ConfigError: The access file cannot be used.
        """
        return cls(config.READ_TOKEN.value(environ), config.ACCESS.value(environ))

    @property
    def senders_known(self) -> bool:
        """Whether every sender must show a token, wherever it is."""
        return self._senders_known

    def access(self, request: HTTPConnection) -> Access:
        """Say what a reader may see, by the token it shows or the session it is in.

        Raises:
            HTTPException: 401 where a token is missing or unknown, 403 where it may not read.
        """
        peer = request.client.host if request.client is not None else None
        if not self.grants:
            if not _on_this_machine(peer, request.headers):
                raise HTTPException(
                    403, "readers elsewhere need RAGTRACE_READ_TOKEN or RAGTRACE_ACCESS to be set"
                )
            return OWNER
        authorization = request.headers.get("authorization")
        seen = self.sessions.access(request.cookies.get(COOKIE))
        if authorization is None and seen.reads:
            return seen
        access = self._shown(authorization)
        if access is None:
            raise HTTPException(401, "expected a bearer token", {"www-authenticate": "Bearer"})
        if not access.reads:
            raise HTTPException(403, "this token's roles do not include read")
        return access

    def may_ingest(
        self, authorization: str | None, peer: str | None, headers: Mapping[str, str]
    ) -> bool:
        """Say whether a sender may send telemetry.

        Args:
            authorization: The header, or the metadata of a call.
            peer: The sender's address as the socket has it.
            headers: Of the request, lower case: a proxy's give away that the peer is one.
        """
        if self._senders_known:
            access = self._shown(authorization)
            return access is not None and not access.roles.isdisjoint({"ingest", "admin"})
        return _on_this_machine(peer, headers)

    def _shown(self, authorization: str | None) -> Access | None:
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return None
        return self.grants.find(fingerprint(token.strip()))


def _on_this_machine(peer: str | None, headers: Mapping[str, str]) -> bool:
    # A proxy is a local peer for everybody behind it, and a web page that renames a host
    # to 127.0.0.1 is one for its visitor; neither gets past these two.
    proxied = any(name in headers for name in _FORWARDED)
    host = headers.get("host")
    return is_loopback(peer or "") and not proxied and (host is None or _local_name(host))


def _local_name(host: str) -> bool:
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return name == "localhost" or is_loopback(name)


def is_loopback(host: str) -> bool:
    """Whether an address is one of this machine's own, which no other reaches."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
