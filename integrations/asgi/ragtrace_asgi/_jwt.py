"""Jwt: a bearer token, verified."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ragtrace.errors import ConfigError, MissingDependencyError
from ragtrace_asgi._claims import Scope
from ragtrace_asgi._unknown import UnknownCaller

__all__ = ["Jwt"]

PUBLIC: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
"""Algorithms by which who verifies a token could not have made it."""

SHARED: Final = {"HS256": 32, "HS384": 48, "HS512": 64}
"""Algorithms with a secret that both sides have, and the bytes that RFC 7518 asks of it."""

MOST_LEEWAY: Final = 300
"""Seconds that clocks may differ by; what is further off is no clock."""

LONGEST: Final = 16_384
"""Characters of a token; servers take no longer headers."""


class Jwt:
    """The claims of the bearer token in ``Authorization``, if it is what it should be.

    Signature, ``exp``, ``nbf``, ``iss`` and ``aud`` are checked; a token without ``exp``, ``iss``
    or ``aud`` is none. Algorithms are those that are named here, whatever the token says.

    Args:
        issuer: What ``iss`` must be.
        audience: What ``aud`` must be, or hold: the name of this service, not of a reader.
        algorithms: Such as ``["RS256"]``; public ones and shared ones do not mix.
        key: The public key as PEM, or the shared secret.
        jwks: Instead of a key the ``https://`` URL of a key set, or a key set.
        leeway: Seconds by which clocks may differ.

    Raises:
        ConfigError: One of these cannot be.
        MissingDependencyError: The extra ``asgi`` is not installed.
    """

    basis: Final = "jwt"

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        algorithms: Sequence[str],
        key: str | bytes | None = None,
        jwks: str | Mapping[str, Any] | None = None,
        leeway: float = 0,
    ) -> None:
        _check(issuer, audience, algorithms, key, jwks)
        if not 0 <= leeway <= MOST_LEEWAY:
            raise ConfigError(f"Jwt: leeway: expected 0 to {MOST_LEEWAY} seconds")
        try:
            import cryptography  # noqa: F401 - PyJWT goes without, and then knows no public key

            from ragtrace_asgi._keys import Keys, checked, fetched
        except ModuleNotFoundError as error:
            raise MissingDependencyError(error.name or "pyjwt", "asgi") from None
        self._issuer, self._audience = issuer, audience
        self._algorithms, self._leeway = list(algorithms), leeway
        self._key: Any = None
        self._keys: Keys | None = None
        if isinstance(jwks, str):
            self._keys = Keys(fetched(jwks))
        elif jwks is not None:
            self._keys = Keys(checked(jwks))
        else:
            self._key = _prepared(key, self._algorithms)

    async def __call__(self, scope: Scope) -> Mapping[str, Any]:
        """The claims.

        Raises:
            UnknownCaller: There is no such token, or its keys cannot be had.
        """
        token = _bearer(scope)
        return self._decoded(token, await self._key_of(token))

    async def _key_of(self, token: str) -> Any:
        if self._keys is None:
            return self._key
        from jwt import PyJWTError, get_unverified_header

        try:
            kid = get_unverified_header(token).get("kid")
        except (PyJWTError, ValueError):
            raise UnknownCaller("bad-token") from None
        if self._keys.due(kid):
            await asyncio.to_thread(self._keys.refresh, kid)
        try:
            return self._keys.get(kid)
        except KeyError:
            raise UnknownCaller("bad-token") from None
        except LookupError:
            raise UnknownCaller("no-keys") from None

    def _decoded(self, token: str, key: Any) -> Mapping[str, Any]:
        import jwt

        try:
            return jwt.decode(
                token,
                key,
                algorithms=self._algorithms,
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._leeway,
                options={"require": ["exp", "iss", "aud"]},
            )
        except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError):
            raise UnknownCaller("expired-token") from None
        except Exception:  # whatever is wrong with it, nobody vouches for it
            raise UnknownCaller("bad-token") from None


def _bearer(scope: Scope) -> str:
    found = [value for name, value in scope.get("headers", ()) if name.lower() == b"authorization"]
    if not found:
        raise UnknownCaller("no-token")
    kind, _, token = found[0].decode("latin-1").partition(" ")
    if kind.lower() != "bearer":
        raise UnknownCaller("no-token")
    if len(found) > 1 or len(token) > LONGEST:
        raise UnknownCaller("bad-token")
    return str(token.strip())


def _prepared(key: Any, algorithms: Sequence[str]) -> Any:
    """The key, read once; one that is of no use is told now, and not by nobody's being known."""
    import jwt

    for name in algorithms:
        try:
            prepared: Any = jwt.get_algorithm_by_name(name).prepare_key(key)
        except Exception:  # its message may hold the key
            raise ConfigError(f"Jwt: key: expected a key for {name}, as PEM") from None
    return prepared


def _check(
    issuer: str, audience: str, algorithms: Sequence[str], key: str | bytes | None, jwks: Any
) -> None:
    if not issuer or not audience:
        raise ConfigError("Jwt: expected issuer and audience of the tokens")
    if isinstance(algorithms, str) or not algorithms:
        raise ConfigError('Jwt: algorithms: expected a list, as ["RS256"]')
    named = set(algorithms)
    if not (named <= PUBLIC or named <= SHARED.keys()):
        known = ", ".join(sorted(PUBLIC))
        raise ConfigError(f"Jwt: algorithms: expected some of {known}; or of {', '.join(SHARED)}")
    if (key is None) == (jwks is None):
        raise ConfigError("Jwt: expected either key or jwks")
    if named <= SHARED.keys():
        least = max(SHARED[name] for name in named)
        if key is None or len(key) < least:
            raise ConfigError(f"Jwt: key: expected a secret of {least} bytes or more")
