"""Claims: what somebody who is trusted says of a caller, read as audience, user and tenant."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from ragtrace.errors import ConfigError
from ragtrace_asgi._caller import Caller
from ragtrace_asgi._unknown import UnknownCaller

__all__ = ["Claims", "Name", "Reader", "Scope"]

Scope = Mapping[str, Any]
"""An ASGI connection scope."""

Said = Mapping[str, Any] | None
Reader = Callable[[Scope], Said | Awaitable[Said]]
"""Gives the verified claims of a connection, or ``None`` where there are none."""

Name = str | tuple[str, ...]
"""A claim, or the way to one that is inside of another: ``("realm_access", "roles")``."""

LONGEST: Final = 200
"""Characters of a claim that is used. The names of a policy have no more, and what is longer is
no id of a person or a tenant."""

_log = logging.getLogger("ragtrace")


class Claims:
    """Who the caller is, by claims that somebody has verified.

    Args:
        read: Gives the claims: a ``Jwt``, a ``Proxy``, or a callable of the application's that
            takes the ASGI scope and gives what its own login has verified.
        audience: The claim that says who reads the answer.
        audiences: Audiences by value of that claim, which may be a list then: a caller with
            several of them must be of one audience. Without, the claim is the audience's name.
        user: The claim with the reader's own id, if there is one.
        tenant: The claim with the tenant, if there is one.
        session: The claim with the conversation, if there is one.

    Raises:
        ConfigError: ``read`` cannot be called, or a name is missing.
    """

    def __init__(
        self,
        read: Reader,
        *,
        audience: Name,
        audiences: Mapping[str, str] | None = None,
        user: Name | None = "sub",
        tenant: Name | None = None,
        session: Name | None = None,
    ) -> None:
        if not callable(read):
            raise ConfigError("Claims: read: expected a Jwt, a Proxy, or a callable")
        if not audience:
            raise ConfigError("Claims: audience: expected the name of a claim")
        self._read = read
        self._audience = audience
        self._audiences = dict(audiences) if audiences is not None else None
        self._user, self._tenant, self._session = user, tenant, session
        self._basis: str = getattr(read, "basis", "claims")

    async def caller(self, scope: Scope) -> Caller:
        """Who the caller is.

        Raises:
            UnknownCaller: The claims cannot be had, or do not say it.
        """
        claims = await self._said(scope)
        return Caller(
            audience=self._named(_found(claims, self._audience)),
            basis=self._basis,
            user=_text(claims, self._user),
            tenant=_text(claims, self._tenant),
            session=_text(claims, self._session),
        )

    async def _said(self, scope: Scope) -> Mapping[str, Any]:
        try:
            said = self._read(scope)
            if inspect.isawaitable(said):
                said = await said
        except UnknownCaller:
            raise
        except Exception as error:  # its message may hold a token
            _log.warning("ragtrace: claims cannot be read: %s", type(error).__name__)
            raise UnknownCaller("no-claims") from None
        if not isinstance(said, Mapping):
            raise UnknownCaller("no-claims")
        return said

    def _named(self, value: Any) -> str:
        if self._audiences is None:
            if value is None:
                raise UnknownCaller("no-audience")
            return _usable(value)
        values = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        named = {self._audiences[one] for one in values if _known(self._audiences, one)}
        if len(named) > 1:
            raise UnknownCaller("conflict")
        if not named:
            raise UnknownCaller("no-audience")
        return named.pop()


def _known(audiences: Mapping[str, str], value: Any) -> bool:
    return isinstance(value, str) and value in audiences


def _text(claims: Mapping[str, Any], name: Name | None) -> str | None:
    value = _found(claims, name) if name else None
    return None if value is None else _usable(value)


def _usable(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST or not value.isprintable():
        raise UnknownCaller("bad-claim")
    return value


def _found(claims: Mapping[str, Any], name: Name) -> Any:
    found: Any = claims
    for step in (name,) if isinstance(name, str) else name:
        found = found.get(step) if isinstance(found, Mapping) else None
    return found
