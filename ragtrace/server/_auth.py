"""Auth: who a request comes from, and so what it may do and see; by default nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fastapi import HTTPException
from starlette.requests import HTTPConnection

from ragtrace import config
from ragtrace.server._grants import Grant, Grants, fingerprint
from ragtrace.server._peer import Peer
from ragtrace.server._sender import ANY_SENDER, Sender
from ragtrace.server._session import COOKIE, Sessions
from ragtrace.store import OWNER, Access

__all__ = ["Auth"]

MOST_ADDRESS: Final = 64
"""Characters of an address that a proxy says; the longest of IPv6 has 45."""
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
        behind_proxy: Whether a proxy on this machine hands on what others ask; nobody is then
            taken for local.

    Raises:
        ConfigError: The access file cannot be used.
    """

    def __init__(
        self,
        read_token: str | None = None,
        access_file: str | None = None,
        *,
        behind_proxy: bool = False,
    ) -> None:
        given = [Grant(fingerprint(read_token), _READER)] if read_token else []
        self.grants = Grants(access_file, given)
        self.sessions = Sessions(self.grants)
        self._senders_known = access_file is not None
        self._behind_proxy = behind_proxy

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], *, behind_proxy: bool = False) -> Auth:
        """Read ``RAGTRACE_READ_TOKEN`` and ``RAGTRACE_ACCESS``.

        Raises:
            ConfigError: The access file cannot be used.
        """
        return cls(
            config.READ_TOKEN.value(environ),
            config.ACCESS.value(environ),
            behind_proxy=behind_proxy,
        )

    @property
    def senders_known(self) -> bool:
        """Whether every sender must show a token, wherever it is."""
        return self._senders_known

    def access(self, request: HTTPConnection) -> Access:
        """Say what a reader may see, by the token it shows or the session it is in.

        Raises:
            HTTPException: 401 where a token is missing or unknown, 403 where it may not read.
        """
        peer = Peer.of(request)
        if not self.grants:
            if not self._is_local(peer):
                raise HTTPException(
                    403, "readers elsewhere need RAGTRACE_READ_TOKEN or RAGTRACE_ACCESS to be set"
                )
            return OWNER
        seen = self.sessions.access(request.cookies.get(COOKIE))
        if peer.authorization is None and seen.reads:
            return seen
        grant = self._shown(peer)
        if grant is None:
            raise HTTPException(401, "expected a bearer token", {"www-authenticate": "Bearer"})
        if not grant.access.reads:
            raise HTTPException(403, "this token's roles do not include read")
        return grant.access

    def sender(self, peer: Peer) -> Sender | None:
        """Say for whom a peer may send telemetry; ``None`` where it may not at all."""
        if self._senders_known:
            grant = self._shown(peer)
            return grant.sender if grant is not None else None
        return ANY_SENDER if self._is_local(peer) else None

    def address(self, peer: Peer) -> str:
        """Whence a request comes, to count mistakes by; never to trust anybody for.

        Behind a proxy that is what the proxy said last.
        """
        said = peer.headers.get("x-forwarded-for", "") if self._behind_proxy else ""
        return said.rpartition(",")[2].strip()[:MOST_ADDRESS] or peer.address

    def _is_local(self, peer: Peer) -> bool:
        return peer.is_local and not self._behind_proxy

    def _shown(self, peer: Peer) -> Grant | None:
        scheme, _, token = (peer.authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return None
        return self.grants.find(fingerprint(token.strip()))
