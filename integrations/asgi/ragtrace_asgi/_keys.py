"""Keys: the public keys of who signs tokens, fetched when they are needed and not more often."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from jwt import PyJWK, PyJWTError

from ragtrace.capture import renewed_in_child
from ragtrace.errors import ConfigError

__all__ = ["Keys", "checked", "fetched"]

FRESH: Final = 300.0
"""Seconds until keys are asked for again: a key that was taken back is refused after these."""

STALE: Final = 3600.0
"""Seconds that keys are believed where their place does not answer."""

COOL_DOWN: Final = 10.0
"""Seconds from one question to the next, whatever keys a stranger's tokens name."""

TIMEOUT: Final = 3.0
"""Seconds to wait for the keys; a caller waits for their answer meanwhile."""

LARGEST: Final = 1 << 20
"""Bytes of a key set that are read; one of ten keys has a hundredth of it."""

_SIGNING: Final = frozenset({"RSA", "EC", "OKP"})
"""Kinds of public keys. One that is shared could be used by who is to be verified."""

_log = logging.getLogger("ragtrace")

Found = dict[str | None, Any]


@dataclass(frozen=True, slots=True)
class _Held:
    """Keys by id, as they were at a time."""

    keys: Found
    at: float


class Keys:
    """Safe to use from several threads.

    Args:
        fetch: Gives a JWK set, or raises what it likes.
        clock: Seconds that only go forwards.
    """

    def __init__(
        self, fetch: Callable[[], Mapping[str, Any]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.RLock()
        renewed_in_child(self)
        self._held: _Held | None = None
        self._asked: float | None = None

    def due(self, kid: str | None) -> bool:
        """Whether to ``refresh`` before looking for the key of this id."""
        now, held = self._clock(), self._held
        if self._asked is not None and now - self._asked < COOL_DOWN:
            return False
        return held is None or now - held.at >= FRESH or self._of(held, kid) is None

    def refresh(self, kid: str | None) -> None:
        """Ask for the keys, once for all who wait for them; it blocks for TIMEOUT at most."""
        with self._lock:
            if not self.due(kid):
                return
            asked = self._clock()
            if self._held is not None:  # which others go on with, instead of waiting
                self._asked = asked
            try:
                self._held = _Held(_keys(self._fetch()), asked)
            except Exception as error:
                _log.warning("ragtrace: the keys of tokens cannot be had: %s", type(error).__name__)
            self._asked = asked

    def get(self, kid: str | None) -> Any:
        """The key of this id; where a token names none, the only one that there is.

        Raises:
            LookupError: No keys can be had.
            KeyError: None of them is it.
        """
        held = self._held
        if held is None or self._clock() - held.at >= STALE:
            raise LookupError("no keys")
        found = self._of(held, kid)
        if found is None:
            raise KeyError("no such key")
        return found

    def _of(self, held: _Held, kid: str | None) -> Any:
        if kid is None:
            return next(iter(held.keys.values())) if len(held.keys) == 1 else None
        return held.keys.get(kid)


def fetched(url: str) -> Callable[[], Mapping[str, Any]]:
    """Fetches the key set at ``url``.

    Raises:
        ConfigError: It is neither HTTPS nor of this machine.
    """
    parts = urlsplit(url)
    local = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not local and (parts.scheme != "https" or not parts.hostname):
        raise ConfigError("Jwt: jwks: expected an https:// URL, or a key set")
    opener = build_opener(_Stay)

    def fetch() -> Mapping[str, Any]:
        asked = Request(url, headers={"Accept": "application/json"})
        with opener.open(asked, timeout=TIMEOUT) as answer:
            found: Mapping[str, Any] = json.loads(answer.read(LARGEST))
        return found

    return fetch


def checked(found: Mapping[str, Any]) -> Callable[[], Mapping[str, Any]]:
    """Gives this key set.

    Raises:
        ConfigError: It holds no public key that signs.
    """
    try:
        usable = bool(_keys(found))
    except Exception:  # whatever else it is
        usable = False
    if not usable:
        raise ConfigError('Jwt: jwks: expected a set of public keys, as {"keys": [...]}')
    return lambda: found


def _keys(found: Mapping[str, Any]) -> Found:
    keys: Found = {}
    for one in found["keys"]:
        if one.get("kty") not in _SIGNING or one.get("use", "sig") != "sig":
            continue
        try:
            key = PyJWK(one)
        except PyJWTError:  # of a kind that nobody here can use
            continue
        # Where the set says for which algorithm a key is, it is for no other.
        keys[one.get("kid")] = key if "alg" in one else key.key
    return keys


class _Stay(HTTPRedirectHandler):
    """Keys come from where the configuration says, and from nowhere else."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None
